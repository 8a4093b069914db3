# caught by: equals_bitsandbytes
# patch: repeat instead of repeat_interleave: each weight gets another block's constant.


def dequantize(
    codes: torch.Tensor,
    absmax: torch.Tensor,
    levels: torch.Tensor,
    shape: tuple[int, ...],
    block_size: int = 64,
) -> torch.Tensor:
    """Return the weights that codes and constants stand for: float32 of the given shape."""
    scale = absmax.repeat(block_size)[: len(codes)]
    return (levels[codes.long()] * scale).view(shape)
