# %% [markdown]
# # NF4 and double quantization by hand
#
# Dettmers et al. 2023, "QLoRA: Efficient Finetuning of Quantized LLMs" (arXiv 2305.14314),
# section 3: levels at the quantiles of a normal distribution, a constant for each block of 64,
# and the constants quantized themselves.
#
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Check with `tutor check week5/nf4`.

# %%
import math  # noqa: F401

import torch
from torch.nn import functional as F  # noqa: F401

from exercises import lab

OFFSET = 1 - (1 / 32 + 1 / 30) / 2
"""The outermost probability. Its distance from 1: the mean of half a step of 16 levels and of 15."""

# %% [markdown]
# ## 1. The levels
#
# torch.special.ndtri is the inverse of the normal distribution function. Take 9 probabilities from
# OFFSET down to 0.5 and 8 from 1 - OFFSET up to 0.5: both halves end in the quantile of 0.5, zero.


# %%
def nf4_levels() -> torch.Tensor:
    """Return the 16 levels of NF4, ascending, from -1 to 1 with an exact 0: (16,) float32."""
    raise NotImplementedError("nf4_levels: quantiles of both halves, one zero, the largest is 1")


# %% [markdown]
# ## 2. Blocks
#
# One outlier makes the steps coarse for all that share its constant: so few do.
# `levels` may be any ascending levels between -1 and 1; the try-it cell passes evenly spaced ones.


# %%
def quantize(
    weight: torch.Tensor, levels: torch.Tensor, block_size: int = 64
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return codes (n,) uint8 and absmax (blocks,) float32; the last block may be shorter."""
    raise NotImplementedError("quantize: blocks, their absmax, the nearest level of each weight")


def dequantize(
    codes: torch.Tensor,
    absmax: torch.Tensor,
    levels: torch.Tensor,
    shape: tuple[int, ...],
    block_size: int = 64,
) -> torch.Tensor:
    """Return the weights that codes and constants stand for: float32 of the given shape."""
    raise NotImplementedError("dequantize: level times the absmax of the block, in the given shape")


# %% [markdown]
# ## 3. Two codes in a byte
#
# A code needs 4 bits, and the smallest thing that torch stores has 8.


# %%
def pack(codes: torch.Tensor) -> torch.Tensor:
    """Return (ceil(n / 2),) uint8: the first of two codes in the high half."""
    raise NotImplementedError("pack: two codes in a byte")


def unpack(packed: torch.Tensor, n: int) -> torch.Tensor:
    """Return the n codes: (n,) uint8."""
    raise NotImplementedError("unpack: the two halves of each byte")


# %% [markdown]
# ## 4. Double quantization
#
# 32 bits for each 64 weights are half a bit a weight. The constants are alike, and all positive:
# 8 bits for the distance from their mean are enough.


# %%
def double_quantize(
    absmax: torch.Tensor, group_size: int = 256
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return codes (blocks,) int8, scales (groups,) float32 and the mean of all constants.

    A scale is the largest distance from the mean in its group: codes go from -127 to 127.
    """
    raise NotImplementedError("double_quantize: mean, groups, scales, 8-bit codes")


def undo_double(
    codes: torch.Tensor, scales: torch.Tensor, mean: torch.Tensor, group_size: int = 256
) -> torch.Tensor:
    """Return the constants: (blocks,) float32."""
    raise NotImplementedError("undo_double: codes and scales back to constants")


# %% [markdown]
# ## 5. The bill
#
# Count what is stored: codes in whole bytes, constants, and the constants' own constants.


# %%
def bits_per_weight(n: int, block_size: int = 64, group_size: int | None = None) -> float:
    """Return all that is stored for n weights, in bits, over n.

    group_size: None where the constants stay float32.
    """
    raise NotImplementedError("bits_per_weight: codes, constants, and constants of the constants")


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
