# caught by: blocks
# patch: One absmax for the whole weight, written into every block.


def quantize(
    weight: torch.Tensor, levels: torch.Tensor, block_size: int = 64
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return codes (n,) uint8 and absmax (blocks,) float32; the last block may be shorter."""
    blocks = cut(weight.detach().float().flatten(), block_size)
    absmax = blocks.abs().max().expand(len(blocks))
    # A block of zeros has absmax 0: 0 / 1 is level 0, where 0 / 0 would be nan.
    scaled = blocks / torch.where(absmax > 0, absmax, 1.0).unsqueeze(1)
    codes = (scaled.unsqueeze(-1) - levels).abs().argmin(dim=-1)  # (blocks, size, 16) -> nearest
    return codes.flatten()[: weight.numel()].to(torch.uint8), absmax
