# caught by: packing
# patch: The first of two codes in the low half of the byte; pack and unpack agree with each other.


def pack(codes: torch.Tensor) -> torch.Tensor:
    """Return (ceil(n / 2),) uint8: the first of two codes in the high half."""
    pairs = cut(codes, 2)
    return pairs[:, 0] + pairs[:, 1] * 16


def unpack(packed: torch.Tensor, n: int) -> torch.Tensor:
    """Return the n codes: (n,) uint8."""
    return torch.stack([packed % 16, packed // 16], dim=1).flatten()[:n]
