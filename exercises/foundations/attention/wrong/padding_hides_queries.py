# caught by: padding
# patch: The mask is made for the queries: (batch, 1, n, 1).


def padding_mask(lengths: torch.Tensor, n: int) -> torch.Tensor:
    """Return (batch, 1, 1, n): every query may look at the keys before its sequence's length."""
    return (torch.arange(n) < lengths[:, None])[:, None, :, None]
