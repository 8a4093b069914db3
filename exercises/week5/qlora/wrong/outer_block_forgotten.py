# caught by: bits_per_parameter
# fast
# patch: Counts the outer scale once a block instead of once in 256 blocks.


def bits_per_parameter(block: int = 64, double: bool = True, outer_block: int = 256) -> float:
    """Return the bits that one weight takes in NF4, its share of the scales included."""
    scale = 8 / block + 32 / outer_block if double else 32 / block
    return 4 + scale


if __name__ == "__main__":
    pass  # a run could add nothing
