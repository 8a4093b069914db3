# %% [markdown]
# # 手写 NF4 与双重量化
#
# Dettmers 等 2023，“QLoRA: Efficient Finetuning of Quantized LLMs”（arXiv 2305.14314）
# 第 3 节：档位取正态分布的分位数，每 64 个权重一块、各有一个常数，
# 常数本身也要量化。
#
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor check week5/nf4` 批改。

# %%
import math  # noqa: F401

import torch
from torch.nn import functional as F  # noqa: F401

from exercises import lab

OFFSET = 1 - (1 / 32 + 1 / 30) / 2
"""最外侧的概率：它与 1 的距离取 16 档的半步与 15 档的半步的平均。"""

# %% [markdown]
# ## 1. 档位
#
# torch.special.ndtri 是正态分布函数的反函数。从 OFFSET 递减到 0.5 取 9 个概率，
# 从 1 - OFFSET 递增到 0.5 取 8 个：两边的末端都是 0.5 的分位数，即零。


# %%
def nf4_levels() -> torch.Tensor:
    """返回 NF4 的 16 个档位，升序，从 -1 到 1，含精确的 0：(16,) float32。"""
    raise NotImplementedError("nf4_levels：正负两半的分位数，只有一个零，最大值为 1")


# %% [markdown]
# ## 2. 分块
#
# 只要有一个离群值，与它共用常数的权重步长就都变粗，所以只让少数权重共用。
# `levels` 可以是 -1 到 1 之间任意一组升序档位；“试一试”单元会传入等间隔的档位。


# %%
def quantize(
    weight: torch.Tensor, levels: torch.Tensor, block_size: int = 64
) -> tuple[torch.Tensor, torch.Tensor]:
    """返回 codes (n,) uint8 和 absmax (块数,) float32；最后一块可以短一些。"""
    raise NotImplementedError("quantize：分块，每块的 absmax，每个权重最近的档位")


def dequantize(
    codes: torch.Tensor,
    absmax: torch.Tensor,
    levels: torch.Tensor,
    shape: tuple[int, ...],
    block_size: int = 64,
) -> torch.Tensor:
    """返回编码和常数所代表的权重：给定形状的 float32。"""
    raise NotImplementedError("dequantize：档位乘以所在块的 absmax，恢复给定的形状")


# %% [markdown]
# ## 3. 两个编码存进一个字节
#
# 一个编码只需 4 位，而 torch 能存的最小单位是 8 位。


# %%
def pack(codes: torch.Tensor) -> torch.Tensor:
    """返回 (ceil(n / 2),) uint8：两个编码中的第一个在高四位。"""
    raise NotImplementedError("pack：两个编码合成一个字节")


def unpack(packed: torch.Tensor, n: int) -> torch.Tensor:
    """返回 n 个编码：(n,) uint8。"""
    raise NotImplementedError("unpack：每个字节的高四位和低四位")


# %% [markdown]
# ## 4. 双重量化
#
# 每 64 个权重存 32 位，合每个权重半位。这些常数大小相近，而且全是正数：
# 用 8 位存它们与平均值的差就够了。


# %%
def double_quantize(
    absmax: torch.Tensor, group_size: int = 256
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """返回 codes (块数,) int8、scales (组数,) float32，以及全部常数的平均值。

    缩放系数是组内常数与平均值之差的最大绝对值；编码从 -127 到 127。
    """
    raise NotImplementedError("double_quantize：平均值、分组、缩放系数、8 位编码")


def undo_double(
    codes: torch.Tensor, scales: torch.Tensor, mean: torch.Tensor, group_size: int = 256
) -> torch.Tensor:
    """返回还原的常数：(块数,) float32。"""
    raise NotImplementedError("undo_double：由编码和缩放系数还原常数")


# %% [markdown]
# ## 5. 算总账
#
# 数清存下的一切：按整字节计的编码、常数，以及常数自己的常数。


# %%
def bits_per_weight(n: int, block_size: int = 64, group_size: int | None = None) -> float:
    """返回 n 个权重存下的全部位数除以 n。

    group_size：None 表示常数仍是 float32。
    """
    raise NotImplementedError("bits_per_weight：编码、常数、常数的常数")


# %% [markdown]
# ## 试一试

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
