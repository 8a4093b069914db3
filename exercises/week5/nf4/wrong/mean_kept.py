# caught by: double_quantization
# patch: The mean is not taken out: half of the codes are never used.


def double_quantize(
    absmax: torch.Tensor, group_size: int = 256
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return codes (blocks,) int8, scales (groups,) float32 and the mean of all constants.

    A scale is the largest distance from the mean in its group: codes go from -127 to 127.
    """
    mean = torch.tensor(0.0)
    groups = cut(absmax - mean, group_size)
    scales = groups.abs().amax(dim=1)
    codes = torch.round(127 * groups / torch.where(scales > 0, scales, 1.0).unsqueeze(1))
    return codes.flatten()[: len(absmax)].to(torch.int8), scales, mean
