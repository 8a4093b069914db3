# caught by: bits
# patch: The scales of the groups and the mean are not counted.


def bits_per_weight(n: int, block_size: int = 64, group_size: int | None = None) -> float:
    """Return all that is stored for n weights, in bits, over n.

    group_size: None where the constants stay float32.
    """
    blocks = math.ceil(n / block_size)
    bits = 8 * math.ceil(n / 2)
    if group_size is None:
        bits += 32 * blocks
    else:
        bits += 8 * blocks
    return bits / n
