# caught by: nearest
# patch: searchsorted: the next level above, not the nearest.


def quantize(
    weight: torch.Tensor, levels: torch.Tensor, block_size: int = 64
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return codes (n,) uint8 and absmax (blocks,) float32; the last block may be shorter."""
    blocks = cut(weight.detach().float().flatten(), block_size)
    absmax = blocks.abs().amax(dim=1)
    # A block of zeros has absmax 0: 0 / 1 is level 0, where 0 / 0 would be nan.
    scaled = blocks / torch.where(absmax > 0, absmax, 1.0).unsqueeze(1)
    codes = torch.searchsorted(levels, scaled.contiguous())
    return codes.flatten()[: weight.numel()].to(torch.uint8), absmax
