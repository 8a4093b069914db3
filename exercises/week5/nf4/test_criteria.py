"""Criteria of week5/nf4: bitsandbytes on the CPU is the measure. Where a criterion is not about
the levels, it passes bitsandbytes' own."""

from __future__ import annotations

import math
from functools import cache

import torch

from exercises.gap import call
from tutor.base.i18n import say

SHAPES = ((48, 64), (3, 50), (1000,), (7, 13, 11))
EVENLY = torch.arange(-7, 8) / 7
SAME = 0.999
"""Share of equal codes: midway between two levels the last bit of a division decides."""
NOT_ABOVE, BELOW_INT4 = 1.002, 0.95


@cache
def nf4():
    from bitsandbytes.functional import get_4bit_type

    return get_4bit_type("nf4", device="cpu")


def reference(weight, block_size=64, double=False):
    """Return bitsandbytes' packed codes, absmax and dequantized weight."""
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    packed, state = quantize_4bit(
        weight, blocksize=block_size, quant_type="nf4", compress_statistics=double
    )
    return packed.flatten(), state.absmax, dequantize_4bit(packed, state).view(weight.shape)


def weights(shape, seed=0, scale=0.02):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * scale


def cut(values, size):
    """Return the flat values as a list of blocks, the last one as short as it is."""
    return list(values.flatten().split(size))


def flat(values, count, what_en, what_zh):
    """Return the values as a flat tensor, of which there must be so many."""
    values = torch.as_tensor(values).detach().flatten()
    assert len(values) == count, say(
        f"{what_en}: {len(values)}; it must be {count}",
        f"{what_zh}有 {len(values)} 个；应为 {count} 个",
    )
    return values


def test_levels(submission, figures):
    got = torch.as_tensor(call("levels", submission.nf4_levels)).float().flatten()
    assert len(got) == 16, say(
        f"{len(got)} levels; 4 bits have 16", f"共 {len(got)} 个档位；4 位应有 16 个"
    )
    assert bool((got.diff() > 0).all()), say(
        f"the levels do not ascend: {[round(x, 3) for x in got.tolist()]}",
        f"档位不是升序：{[round(x, 3) for x in got.tolist()]}",
    )
    assert bool((got == 0).any()), say(
        f"no level is exactly 0; the one closest to it is {got[got.abs().argmin()]:.4g}",
        f"没有精确等于 0 的档位；最接近的是 {got[got.abs().argmin()]:.4g}",
    )
    at = int((got - nf4()).abs().argmax())
    figures["largest_difference"] = (got - nf4()).abs().max().item()
    assert figures["largest_difference"] < 1e-4, say(
        f"level {at} is {got[at]:.4f}, bitsandbytes' {nf4()[at]:.4f}",
        f"第 {at} 个档位是 {got[at]:.4f}，bitsandbytes 的是 {nf4()[at]:.4f}",
    )


def quantized(submission, criterion, weight, levels, block_size=64):
    """Return the learner's codes as int64 and absmax as float32, in the right numbers."""
    given = call(criterion, submission.quantize, weight, levels, block_size)
    codes, absmax = given
    n = weight.numel()
    codes = flat(codes, n, f"codes of {n} weights", f"{n} 个权重的编码")
    blocks = math.ceil(n / block_size)
    what = (
        f"constants of a weight {tuple(weight.shape)} in blocks of {block_size}",
        f"形状 {tuple(weight.shape)} 的权重按 {block_size} 分块，常数",
    )
    absmax = flat(absmax, blocks, *what)
    return codes.long(), absmax


def test_blocks(submission):
    for seed, shape in enumerate(SHAPES):
        for block_size in (64, 32):
            weight = weights(shape, seed)
            # The largest in absolute value is negative in one block, and an outlier in another.
            weight.view(-1)[5], weight.view(-1)[70] = -0.5, 3.0
            _, absmax = quantized(submission, "blocks", weight, nf4(), block_size)
            expected = torch.stack([b.abs().max() for b in cut(weight, block_size)])
            wrong = ((absmax.float() - expected).abs() > 1e-6 * expected).nonzero().flatten()
            assert not len(wrong), say(
                f"shape {shape}, blocks of {block_size}: {len(wrong)} of {len(expected)} constants "
                f"are wrong; that of block {int(wrong[:1].sum())} is "
                f"{absmax[wrong[:1]].sum():.4f}, its largest absolute value "
                f"{expected[wrong[:1]].sum():.4f}",
                f"形状 {shape}、块大小 {block_size}：{len(expected)} 个常数中有 {len(wrong)} 个不对；"
                f"第 {int(wrong[:1].sum())} 块得到 {absmax[wrong[:1]].sum():.4f}，"
                f"其最大绝对值是 {expected[wrong[:1]].sum():.4f}",
            )


def test_nearest(submission, figures):
    for seed, (shape, levels) in enumerate((s, x) for s in SHAPES for x in (nf4(), EVENLY)):
        weight = weights(shape, seed)
        weight.view(-1)[64:128] = 0  # as padding, or pruned
        codes, absmax = quantized(submission, "nearest", weight, levels)
        bad = codes[(codes < 0) | (codes >= len(levels))]
        assert not len(bad), say(
            f"{len(bad)} codes are outside of 0 … {len(levels) - 1}, {int(bad[:1].sum())} first",
            f"有 {len(bad)} 个编码超出 0 … {len(levels) - 1}，首个是 {int(bad[:1].sum())}",
        )
        assert bool((levels[codes[64:128]] == 0).all()) and bool(absmax.isfinite().all()), say(
            f"a block of zeros became {levels[codes[64:128]].unique().tolist()} with the constant "
            f"{absmax[1].item()}: it must come back as zeros",
            f"全零的块变成了 {levels[codes[64:128]].unique().tolist()}，常数为 "
            f"{absmax[1].item()}：还原后应仍是零",
        )
        scale = torch.cat([b.abs().max().clamp(min=1e-12).expand(len(b)) for b in cut(weight, 64)])
        scaled = weight.flatten() / scale
        distance = (scaled - levels[codes]).abs()
        least = (scaled.unsqueeze(-1) - levels).abs().amin(-1)
        further = (distance > least + 1e-5).nonzero().flatten()
        figures["not_nearest"] = len(further) / len(codes)
        assert not len(further), say(
            f"{figures['not_nearest']:.1%} of the weights have a nearer level: "
            f"{scaled[further[0]]:.4f} became {levels[codes[further[0]]]:.4f}",
            f"有 {figures['not_nearest']:.1%} 的权重存在更近的档位：{scaled[further[0]]:.4f} "
            f"变成了 {levels[codes[further[0]]]:.4f}",
        )


def test_packing(submission):
    packed, _, _ = reference(weights((48, 64), 3))
    codes = torch.stack([packed >> 4, packed & 15], dim=1).flatten()
    got = call("packing", submission.pack, codes.clone())
    got = flat(got, len(packed), f"bytes for {len(codes)} codes", f"{len(codes)} 个编码的字节")
    assert got.element_size() == 1, say(
        f"the packed codes are {got.dtype}: {got.element_size()} bytes for two codes",
        f"打包后的类型是 {got.dtype}：两个编码占了 {got.element_size()} 个字节",
    )
    got = got.view(torch.uint8)
    same = (got == packed).float().mean().item()
    assert same == 1, say(
        f"{same:.1%} of the bytes equal bitsandbytes': the codes {codes[:2].tolist()} became "
        f"{int(got[0]):#04x}; there {int(packed[0]):#04x}",
        f"与 bitsandbytes 相同的字节占 {same:.1%}：编码 {codes[:2].tolist()} 变成了 "
        f"{int(got[0]):#04x}；那边是 {int(packed[0]):#04x}",
    )
    for n in (1, 8, 77):
        some = codes[-n:]
        small = call("packing", submission.pack, some.clone())
        flat(small, math.ceil(n / 2), f"bytes for {n} codes", f"{n} 个编码的字节")
        back = call("packing", submission.unpack, small, n)
        back = flat(back, n, f"codes unpacked of {n}", f"{n} 个编码解包后")
        lost = int((back.long() != some.long()).sum())
        assert not lost, say(
            f"{lost} of {n} codes come back changed: {some[:6].tolist()} … as {back[:6].tolist()} …",
            f"{n} 个编码中有 {lost} 个还原后变了：{some[:6].tolist()} … 变成 {back[:6].tolist()} …",
        )


def restored(submission, criterion, weight, levels, block_size=64, double=False):
    """Return what the learner's whole chain makes of the weight: float32 of its shape."""
    codes, absmax = call(criterion, submission.quantize, weight, levels, block_size)
    if double:
        stored = call(criterion, submission.double_quantize, absmax, 256)
        absmax = call(criterion, submission.undo_double, *stored, 256)
    shape = weight.shape
    got = call(criterion, submission.dequantize, codes, absmax, levels, shape, block_size)
    got = torch.as_tensor(got).detach().float()
    assert got.shape == shape, say(
        f"a weight of {tuple(shape)} comes back as {tuple(got.shape)}",
        f"形状 {tuple(shape)} 的权重还原成了 {tuple(got.shape)}",
    )
    return got


def test_equals_bitsandbytes(submission, figures):
    worst = 1.0
    for seed, shape in enumerate(SHAPES):
        # Not 128: bitsandbytes 0.50 on the CPU mixes blocks up that go over the end of a row.
        for block_size in (64, 32):
            weight = weights(shape, seed + 10)
            weight.view(-1)[3] = 1.0
            _, _, expected = reference(weight, block_size)
            got = restored(submission, "equals_bitsandbytes", weight, nf4(), block_size)
            same = torch.isclose(got, expected, rtol=1e-4, atol=1e-7)
            worst = min(worst, same.float().mean().item())
            figures["same"] = worst
            at = int((~same).flatten().float().argmax())
            assert worst >= SAME, say(
                f"shape {shape}, blocks of {block_size}: {worst:.1%} of the weights equal "
                f"bitsandbytes'; weight {at} was {weight.flatten()[at]:.4f} and comes back as "
                f"{got.flatten()[at]:.4f}, there as {expected.flatten()[at]:.4f}",
                f"形状 {shape}、块大小 {block_size}：与 bitsandbytes 相同的权重占 {worst:.1%}；"
                f"第 {at} 个原为 {weight.flatten()[at]:.4f}，还原成 {got.flatten()[at]:.4f}，"
                f"那边是 {expected.flatten()[at]:.4f}",
            )


def constants():
    """Constants as weights have them, ragged groups, one group with an outlier, all equal."""
    alike = torch.rand(1000, generator=torch.Generator().manual_seed(5)) * 0.02 + 0.05
    outlier = alike.clone()
    outlier[300] = 0.9
    return alike, outlier, alike[:256], torch.full((70,), 0.05)


def test_double_quantization(submission, figures):
    for absmax in constants():
        stored = call("double_quantization", submission.double_quantize, absmax.clone(), 256)
        codes, scales, mean = stored
        n = len(absmax)
        kept = flat(codes, n, f"codes of {n} constants", f"{n} 个常数的编码")
        assert kept.element_size() == 1, say(
            f"the codes are {kept.dtype}: {8 * kept.element_size()} bits each, not 8",
            f"编码的类型是 {kept.dtype}：每个占 {8 * kept.element_size()} 位，而不是 8 位",
        )
        groups = math.ceil(n / 256)
        flat(scales, groups, f"scales of {n} constants", f"{n} 个常数的缩放系数")
        flat(mean, 1, "means", "平均值")
        got = call("double_quantization", submission.undo_double, codes, scales, mean, 256)
        got = flat(got, n, f"constants restored out of {n}", f"{n} 个常数还原后").float()
        centre = absmax.mean()
        for place, (before, after) in enumerate(zip(cut(absmax, 256), cut(got, 256), strict=True)):
            bound = ((before - centre).abs().max() / 254).item() * 1.01 + 1e-7
            error = (before - after).abs().max().nan_to_num(math.inf).item()
            figures["error_in_steps"] = max(figures.get("error_in_steps", 0), error / bound / 2)
            assert error <= bound, say(
                f"of {n} constants (mean {centre:.3f}, largest {absmax.max():.3f}) group {place} "
                f"comes back with an error of up to {error:.2g}; half a step is {bound:.2g}",
                f"{n} 个常数（平均 {centre:.3f}，最大 {absmax.max():.3f}）中，第 {place} 组还原后的"
                f"误差达 {error:.2g}；半步是 {bound:.2g}",
            )


def test_bits(submission, figures):
    cases = (
        (64 * 256 * 100, 64, None), (64 * 256 * 100, 64, 256), (4096, 128, None), (77, 64, 256),
        (50_000, 32, 128), (1001, 64, None),
    )  # fmt: skip
    for n, block_size, group_size in cases:
        got = call("bits", submission.bits_per_weight, n, block_size, group_size)
        blocks = math.ceil(n / block_size)
        bits = 8 * math.ceil(n / 2)
        if group_size:
            bits += 8 * blocks + 32 * math.ceil(blocks / group_size) + 32
        else:
            bits += 32 * blocks
        figures["bits"] = float(got)
        assert math.isclose(got, bits / n, rel_tol=1e-6), say(
            f"{n} weights in blocks of {block_size}, groups of {group_size}: {got:.5f} bits a "
            f"weight; stored are {bits} bits, {bits / n:.5f} a weight",
            f"{n} 个权重、块大小 {block_size}、组大小 {group_size}：得到每权重 {got:.5f} 位；"
            f"实际存下 {bits} 位，即 {bits / n:.5f}",
        )


def errors(got, weight):
    """Mean absolute error and RMSE, relative to the weights' own."""
    off = got - weight
    rmse = (off.pow(2).mean() / weight.pow(2).mean()).sqrt().item()
    return {"mae": (off.abs().mean() / weight.abs().mean()).item(), "rmse": rmse}


def uniform(weight):
    """Even 4-bit levels from -7/7 to 7/7 in blocks of 64, with exact constants."""
    blocks = weight.view(-1, 64)
    absmax = blocks.abs().amax(1, keepdim=True)
    return (torch.round(blocks / absmax * 7) / 7 * absmax).view(weight.shape)


def test_error(submission, figures):
    weight = weights((576, 512), 21)
    levels = torch.as_tensor(call("error", submission.nf4_levels)).float()
    mine = errors(restored(submission, "error", weight, levels, double=True), weight)
    theirs = errors(reference(weight, double=True)[2], weight)
    even = errors(uniform(weight), weight)
    for name, error in mine.items():
        figures |= {name: error, f"{name}_bitsandbytes": theirs[name], f"{name}_int4": even[name]}
        limit = min(NOT_ABOVE * theirs[name], BELOW_INT4 * even[name])
        assert error <= limit, say(
            f"on normal weights the relative {name.upper()} is {error:.4f}; bitsandbytes with "
            f"double quantization has {theirs[name]:.4f}, even 4-bit levels {even[name]:.4f}",
            f"在正态权重上，相对 {name.upper()} 是 {error:.4f}；带双重量化的 bitsandbytes 是 "
            f"{theirs[name]:.4f}，均匀 4 位档位是 {even[name]:.4f}",
        )
