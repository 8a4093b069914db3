# caught by: padding
# patch: The first position of the padding is let through.


def padding_mask(lengths: torch.Tensor, n: int) -> torch.Tensor:
    """Return (batch, 1, 1, n): every query may look at the keys before its sequence's length."""
    return (torch.arange(n) <= lengths[:, None])[:, None, None, :]
