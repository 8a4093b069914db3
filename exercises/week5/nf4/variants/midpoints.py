# Another style: scipy's quantiles, numpy padding by hand, midpoints and bucketize, bit operations.
# %%
import numpy as np
import torch
from scipy.stats import norm

OFFSET = 1 - (1 / 32 + 1 / 30) / 2


def nf4_levels():
    above = norm.ppf(np.linspace(0.5, OFFSET, 9)[1:])
    below = -norm.ppf(np.linspace(OFFSET, 0.5, 8)[:-1])
    levels = np.concatenate([below, [0.0], above])
    return torch.tensor(levels / norm.ppf(OFFSET), dtype=torch.float32)


def rows(values, size):
    short = (size - values.numel() % size) % size
    return torch.cat([values, values.new_zeros(short)]).reshape(-1, size)


def quantize(weight, levels, block_size=64):
    table = rows(weight.detach().to(torch.float32).reshape(-1), block_size)
    absmax = table.abs().max(dim=1).values
    scaled = (table / absmax.clamp(min=1e-30)[:, None]).reshape(-1)[: weight.numel()]
    middles = (levels[1:] + levels[:-1]) / 2
    return torch.bucketize(scaled, middles).to(torch.uint8), absmax


def dequantize(codes, absmax, levels, shape, block_size=64):
    values = levels.index_select(0, codes.int())
    return (rows(values, block_size) * absmax[:, None]).reshape(-1)[: codes.numel()].reshape(shape)


def pack(codes):
    if codes.numel() % 2:
        codes = torch.cat([codes, codes.new_zeros(1)])
    return (codes[0::2] << 4) | codes[1::2]


def unpack(packed, n):
    codes = torch.empty(2 * packed.numel(), dtype=torch.uint8)
    codes[0::2] = packed >> 4
    codes[1::2] = packed & 0x0F
    return codes[:n]


def double_quantize(absmax, group_size=256):
    mean = float(absmax.mean())
    codes, scales = [], []
    for group in (absmax - mean).split(group_size):
        scale = group.abs().max()
        scales.append(scale)
        codes.append((group / scale.clamp(min=1e-30) * 127).round().to(torch.int8))
    return torch.cat(codes), torch.stack(scales), mean


def undo_double(codes, scales, mean, group_size=256):
    groups = codes.float().split(group_size)
    return torch.cat([g * (s / 127) + mean for g, s in zip(groups, scales, strict=True)])


def bits_per_weight(n, block_size=64, group_size=None):
    blocks = -(-n // block_size)
    constants = 4 * blocks if group_size is None else blocks + 4 * (-(-blocks // group_size) + 1)
    return 8 * ((n + 1) // 2 + constants) / n
