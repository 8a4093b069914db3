# caught by: causal
# patch: A position may not look at itself.


def causal_mask(n: int) -> torch.Tensor:
    """Return (n, n): position i may look at 0 to i."""
    position = torch.arange(n)
    return position[:, None] > position[None, :]
