# %% [markdown]
# # NF4 and double quantization by hand
#
# Dettmers et al. 2023, "QLoRA: Efficient Finetuning of Quantized LLMs" (arXiv 2305.14314),
# section 3: levels at the quantiles of a normal distribution, a constant for each block of 64,
# and the constants quantized themselves.

# %%
import math

import torch
from torch.nn import functional as F

from exercises import lab

OFFSET = 1 - (1 / 32 + 1 / 30) / 2
"""The outermost probability. Its distance from 1: the mean of half a step of 16 levels and of 15."""

# %% [markdown]
# ## 1. The levels


# %%
def nf4_levels() -> torch.Tensor:
    """Return the 16 levels of NF4, ascending, from -1 to 1 with an exact 0: (16,) float32."""
    quantile = torch.special.ndtri  # the inverse of the normal distribution function
    above = quantile(torch.linspace(OFFSET, 0.5, 9, dtype=torch.float64))
    below = quantile(torch.linspace(1 - OFFSET, 0.5, 8, dtype=torch.float64))
    levels = torch.cat([below[:-1], above.flip(0)])  # they share the zero
    return (levels / levels.max()).float()


# %% [markdown]
# ## 2. Blocks


# %%
def cut(values: torch.Tensor, size: int) -> torch.Tensor:
    """Return the flat values as rows of `size`, the last one filled up with zeros."""
    return F.pad(values, (0, -len(values) % size)).view(-1, size)


def quantize(
    weight: torch.Tensor, levels: torch.Tensor, block_size: int = 64
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return codes (n,) uint8 and absmax (blocks,) float32; the last block may be shorter."""
    blocks = cut(weight.detach().float().flatten(), block_size)
    absmax = blocks.abs().amax(dim=1)
    # A block of zeros has absmax 0: 0 / 1 is level 0, where 0 / 0 would be nan.
    scaled = blocks / torch.where(absmax > 0, absmax, 1.0).unsqueeze(1)
    codes = (scaled.unsqueeze(-1) - levels).abs().argmin(dim=-1)  # (blocks, size, 16) -> nearest
    return codes.flatten()[: weight.numel()].to(torch.uint8), absmax


def dequantize(
    codes: torch.Tensor,
    absmax: torch.Tensor,
    levels: torch.Tensor,
    shape: tuple[int, ...],
    block_size: int = 64,
) -> torch.Tensor:
    """Return the weights that codes and constants stand for: float32 of the given shape."""
    scale = absmax.repeat_interleave(block_size)[: len(codes)]
    return (levels[codes.long()] * scale).view(shape)


# %% [markdown]
# ## 3. Two codes in a byte


# %%
def pack(codes: torch.Tensor) -> torch.Tensor:
    """Return (ceil(n / 2),) uint8: the first of two codes in the high half."""
    pairs = cut(codes, 2)
    return pairs[:, 0] * 16 + pairs[:, 1]


def unpack(packed: torch.Tensor, n: int) -> torch.Tensor:
    """Return the n codes: (n,) uint8."""
    return torch.stack([packed // 16, packed % 16], dim=1).flatten()[:n]


# %% [markdown]
# ## 4. Double quantization


# %%
def double_quantize(
    absmax: torch.Tensor, group_size: int = 256
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return codes (blocks,) int8, scales (groups,) float32 and the mean of all constants.

    A scale is the largest distance from the mean in its group: codes go from -127 to 127.
    """
    mean = absmax.mean()
    groups = cut(absmax - mean, group_size)
    scales = groups.abs().amax(dim=1)
    codes = torch.round(127 * groups / torch.where(scales > 0, scales, 1.0).unsqueeze(1))
    return codes.flatten()[: len(absmax)].to(torch.int8), scales, mean


def undo_double(
    codes: torch.Tensor, scales: torch.Tensor, mean: torch.Tensor, group_size: int = 256
) -> torch.Tensor:
    """Return the constants: (blocks,) float32."""
    return codes * scales.repeat_interleave(group_size)[: len(codes)] / 127 + mean


# %% [markdown]
# ## 5. The bill


# %%
def bits_per_weight(n: int, block_size: int = 64, group_size: int | None = None) -> float:
    """Return all that is stored for n weights, in bits, over n.

    group_size: None where the constants stay float32.
    """
    blocks = math.ceil(n / block_size)
    bits = 8 * math.ceil(n / 2)
    if group_size is None:
        bits += 32 * blocks
    else:
        bits += 8 * blocks + 32 * math.ceil(blocks / group_size) + 32  # the mean
    return bits / n


# %% [markdown]
# ## Try it

# %%
if __name__ == "__main__":
    weight = lab.load_encoder()[0].encoder.layer[0].intermediate.dense.weight.detach()
    evenly = torch.arange(-7, 8) / 7
    for name, levels in (("NF4", nf4_levels()), ("int4", evenly)):
        codes, absmax = quantize(weight, levels)
        once = dequantize(codes, absmax, levels, weight.shape)
        twice = dequantize(codes, undo_double(*double_quantize(absmax)), levels, weight.shape)
        error, double = ((w - weight).abs().mean() / weight.abs().mean() for w in (once, twice))
        print(f"{name:>4}: mean error {error:.2%} of a weight; double quantization {double:.2%}")
        print("      codes used:", torch.bincount(codes.long(), minlength=len(levels)).tolist())
    n = weight.numel()
    print(f"{bits_per_weight(n):.3f} bits a weight, {bits_per_weight(n, 64, 256):.3f} with double")
