# caught by: causal
# patch: The mask is transposed: each position sees itself and what follows.


def causal_mask(n: int) -> torch.Tensor:
    """Return (n, n): position i may look at 0 to i."""
    position = torch.arange(n)
    return position[:, None] <= position[None, :]
