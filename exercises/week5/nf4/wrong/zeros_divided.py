# caught by: nearest
# patch: A block of zeros is divided by its absmax: 0 / 0.


def quantize(
    weight: torch.Tensor, levels: torch.Tensor, block_size: int = 64
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return codes (n,) uint8 and absmax (blocks,) float32; the last block may be shorter."""
    blocks = cut(weight.detach().float().flatten(), block_size)
    absmax = blocks.abs().amax(dim=1)
    # A block of zeros has absmax 0: 0 / 1 is level 0, where 0 / 0 would be nan.
    scaled = blocks / absmax.unsqueeze(1)
    codes = (scaled.unsqueeze(-1) - levels).abs().argmin(dim=-1)  # (blocks, size, 16) -> nearest
    return codes.flatten()[: weight.numel()].to(torch.uint8), absmax
