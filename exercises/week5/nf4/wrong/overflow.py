# caught by: double_quantization
# patch: 128 steps up: the largest becomes 128, which int8 wraps around to -128.


def double_quantize(
    absmax: torch.Tensor, group_size: int = 256
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return codes (blocks,) int8, scales (groups,) float32 and the mean of all constants.

    A scale is the largest distance from the mean in its group: codes go from -127 to 127.
    """
    mean = absmax.mean()
    groups = cut(absmax - mean, group_size)
    scales = groups.abs().amax(dim=1)
    codes = torch.round(128 * groups / torch.where(scales > 0, scales, 1.0).unsqueeze(1))
    return codes.flatten()[: len(absmax)].to(torch.int8), scales, mean


def undo_double(
    codes: torch.Tensor, scales: torch.Tensor, mean: torch.Tensor, group_size: int = 256
) -> torch.Tensor:
    """Return the constants: (blocks,) float32."""
    return codes * scales.repeat_interleave(group_size)[: len(codes)] / 128 + mean
