"""Criteria of deployment/imatrix: statistics of small models against sums made by hand, blocks
against a fine search, and layers of the 135M on text that was not collected."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch import nn

from exercises import lab
from exercises.gap import call
from tutor.base.i18n import say

BLOCK = 32
# Of the output error with plain rounding; see the measured figures in the task.
LEAST_FALL = 0.15


class Small(nn.Module):
    """Embedding and two linear layers, one inside another module; dropout shows a forgotten
    eval()."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(4)
        self.embed = nn.Embedding(50, 64)
        self.first = nn.Linear(64, 96)
        self.inner = nn.ModuleDict({"down": nn.Linear(96, 64)})
        self.dropout = nn.Dropout(0.5)

    def forward(self, input_ids, attention_mask):
        if int(input_ids.max()) == 49:
            raise RuntimeError("the model broke off")
        hidden = self.dropout(torch.relu(self.first(self.embed(input_ids))))
        return self.inner["down"](hidden)


NAMES = ["first", "inner.down"]


def batch(rows, length, padding=0, seed=0):
    """Left padding of a row's number times `padding`; real ids everywhere, so that what is under
    the mask is not zero."""
    ids = torch.randint(0, 49, (rows, length), generator=torch.Generator().manual_seed(seed))
    mask = torch.ones(rows, length, dtype=torch.long)
    for row in range(rows):
        mask[row, : row * padding] = 0
    return {"input_ids": ids, "attention_mask": mask}


@torch.no_grad()
def by_hand(batches):
    model = Small().eval()
    real = torch.cat([b["input_ids"][b["attention_mask"] == 1] for b in batches])
    first = model.embed(real)
    down = torch.relu(model.first(first))
    return {"first": first.pow(2).mean(0), "inner.down": down.pow(2).mean(0)}


def compare(submission, criterion, batches, figures, en, zh):
    found = call(criterion, submission.collect, Small(), batches, NAMES)
    assert set(found) == set(NAMES), say(
        f"statistics came of {sorted(found)}, asked for were {NAMES}",
        f"得到的是 {sorted(found)} 的统计量，要求的是 {NAMES}",
    )
    for name, wanted in by_hand(batches).items():
        got = torch.as_tensor(found[name]).float()
        assert got.shape == wanted.shape, say(
            f"{name} has {len(wanted)} input channels; the statistics are {tuple(got.shape)}",
            f"{name} 有 {len(wanted)} 个输入通道；统计量的形状是 {tuple(got.shape)}",
        )
        ratio = (got.sum() / wanted.sum()).item()
        figures[f"ratio_{name}"] = ratio
        assert torch.allclose(got, wanted, rtol=1e-3, atol=1e-6), say(
            f"{name}, {en}: the channels' mean squares are {ratio:.3f} times what they are by hand "
            f"on average, and differ by up to {(got - wanted).abs().max().item():.3g}",
            f"{name}，{zh}：各通道的均方平均是手算的 {ratio:.3f} 倍，最多相差 "
            f"{(got - wanted).abs().max().item():.3g}",
        )


def test_mean_squares(submission, figures):
    batches = [batch(3, 9), batch(1, 4, seed=1), batch(2, 17, seed=2)]
    compare(
        submission,
        "mean_squares",
        batches,
        figures,
        "three batches of unequal size",
        "三个大小不等的批次",
    )


def test_padding(submission, figures):
    batches = [batch(4, 12, 3), batch(3, 8, 2, seed=3)]
    compare(submission, "padding", batches, figures, "with padding on the left", "左侧有填充")


def hooks(model):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def test_hooks_gone(submission, figures):
    model = Small()
    call("hooks_gone", submission.collect, model, [batch(2, 5)], NAMES)
    figures["hooks"] = hooks(model)
    assert hooks(model) == 0, say(
        f"{hooks(model)} hooks are still on the model after collect: they go on counting",
        f"collect 之后模型上还留着 {hooks(model)} 个钩子：它们会继续统计",
    )
    broken = batch(1, 5)
    broken["input_ids"][0, 0] = 49
    try:
        submission.collect(model, [batch(2, 5), broken], NAMES)
    except RuntimeError:
        pass
    else:
        pytest.fail(say(
            "the model raised in its second batch, and collect returned as if it had not",
            "模型在第二个批次抛出异常，collect 却照常返回",
        ))  # fmt: skip
    figures["hooks"] = hooks(model)
    assert hooks(model) == 0, say(
        f"the model raised in its second batch, and {hooks(model)} hooks are left on it",
        f"模型在第二个批次抛出异常，之后它身上还留着 {hooks(model)} 个钩子",
    )


def weights(seed=0, rows=24, columns=128):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(rows, columns, generator=generator)
    weight[0, 32:64] = 0
    weight[1, 3], weight[1, 40] = 9.0, -9.0
    weight[2, :32] = torch.linspace(-1, 1, BLOCK)
    return weight


def importances(seed=0, columns=128):
    """Very uneven, as real ones are."""
    return torch.exp(2 * torch.randn(columns, generator=torch.Generator().manual_seed(seed + 9)))


def check_form(quantized, weight):
    rows, columns = weight.shape
    shapes = tuple(quantized.scales.shape), tuple(quantized.codes.shape)
    assert shapes == ((rows, columns // BLOCK), (rows, columns)), say(
        f"for weights {tuple(weight.shape)} scales and codes are {shapes}, not "
        f"{((rows, columns // BLOCK), (rows, columns))}",
        f"权重 {tuple(weight.shape)} 的 scales 与 codes 形状是 {shapes}，应为 "
        f"{((rows, columns // BLOCK), (rows, columns))}",
    )
    codes = quantized.codes.float()
    ends = codes.min().item(), codes.max().item()
    whole = torch.equal(codes, codes.round())
    assert whole and ends[0] >= -8 and ends[1] <= 7, say(
        f"the codes go from {ends[0]:g} to {ends[1]:g}; four bits hold whole numbers, -8 to 7",
        f"编码从 {ends[0]:g} 到 {ends[1]:g}；四位只能放 −8 到 7 的整数",
    )
    finite = torch.isfinite(quantized.scales).all()
    assert finite, say("some scales are NaN or infinite", "有些系数是 NaN 或无穷大")


def restored(quantized):
    """The weights, by the grader."""
    blocks = quantized.codes.float().unflatten(1, (-1, BLOCK))
    return (blocks * quantized.scales.float()[..., None]).flatten(1)


def test_plain(submission, figures):
    weight = weights()
    got = call("plain", submission.plain, weight.clone())
    check_form(got, weight)
    blocks = weight.unflatten(1, (-1, BLOCK))
    largest = blocks.gather(-1, blocks.abs().argmax(-1, keepdim=True))[..., 0]
    wrong = ~torch.isclose(got.scales.float(), largest / -8, rtol=1e-4, atol=1e-7)
    figures["scales_that_differ"] = int(wrong.sum())
    place = tuple(int(n) for n in wrong.nonzero()[0]) if wrong.any() else (0, 0)
    assert not wrong.any(), say(
        f"{wrong.sum()} of {wrong.numel()} scales are not the signed maximum / -8: block {place} "
        f"has {largest[place]:.3f}, its scale is {got.scales[place]:.4f}",
        f"{wrong.numel()} 个系数中有 {wrong.sum()} 个不是带符号最大值 / −8：块 {place} 的最大值是 "
        f"{largest[place]:.3f}，系数却是 {got.scales[place]:.4f}",
    )
    back = call("plain", submission.dequantize, got)
    assert torch.allclose(back.float(), restored(got), atol=1e-5), say(
        f"dequantize differs from scale x code by up to {(back - restored(got)).abs().max():.3g}",
        f"dequantize 与 系数 × 编码 最多相差 {(back - restored(got)).abs().max():.3g}",
    )
    step = (largest / 8).abs()[..., None].expand_as(blocks)
    away = (restored(got).unflatten(1, (-1, BLOCK)) - blocks).abs()
    # What is beyond code 7 cannot be nearer than 7 x scale; all else within half a step.
    beyond = (blocks / (largest / -8)[..., None]) > 7.5
    far = (away > 0.502 * step + 1e-6) & ~beyond
    figures["too_far"] = int(far.sum())
    assert not far.any(), say(
        f"{far.sum()} of {far.numel()} weights are further from their code than half a step: "
        "round to nearest",
        f"{far.numel()} 个权重中有 {far.sum()} 个离自己的编码超过半步：应就近取整",
    )


def weighted_error(quantized, weight, importance):
    """Of each block, (rows, blocks)."""
    away = importance * (restored(quantized) - weight) ** 2
    return away.unflatten(1, (-1, BLOCK)).sum(-1)


@cache
def fine(seed):
    """The grader's search: 400 scales around the plain one, refitted, of either rounding."""
    weight, importance = weights(seed), importances(seed)
    blocks, i = weight.unflatten(1, (-1, BLOCK)), importance.view(-1, BLOCK)
    largest = blocks.gather(-1, blocks.abs().argmax(-1, keepdim=True))
    start = torch.where(largest == 0, 1.0, largest / -8)
    best = torch.full(blocks.shape[:2], float("inf"))
    for factor in torch.linspace(0.5, 1.3, 400).tolist():
        codes = (blocks / (start * factor)).round().clamp(-8, 7)
        power = (i * codes * codes).sum(-1, keepdim=True).clamp(min=1e-30)
        scale = (i * blocks * codes).sum(-1, keepdim=True) / power
        best = torch.minimum(best, (i * (blocks - scale * codes) ** 2).sum(-1))
    return best


def test_never_worse(submission, figures):
    for seed in (0, 1):
        weight, importance = weights(seed), importances(seed)
        got = call("never_worse", submission.weighted, weight.clone(), importance.clone())
        check_form(got, weight)
        before = weighted_error(
            call("never_worse", submission.plain, weight.clone()), weight, importance
        )
        after = weighted_error(got, weight, importance)
        worse = after > before * 1.0001 + 1e-6
        figures["worse"] = int(worse.sum())
        ratio = (after / before.clamp(min=1e-9)).max().item()
        assert not worse.any(), say(
            f"{worse.sum()} of {worse.numel()} blocks have a larger weighted error than with plain "
            f"rounding, the worst {ratio:.2f} times",
            f"{worse.numel()} 块中有 {worse.sum()} 块的加权误差比普通取整还大，最坏的是 {ratio:.2f} 倍",
        )


def test_search(submission, figures):
    for seed in (0, 2):
        weight, importance = weights(seed), importances(seed)
        got = call("search", submission.weighted, weight.clone(), importance.clone())
        before = weighted_error(submission.plain(weight.clone()), weight, importance).sum().item()
        after = weighted_error(got, weight, importance).sum().item()
        possible = fine(seed).sum().item()
        share = (before - after) / (before - possible)
        figures |= {"plain": before, "weighted": after, "fine_search": possible, "share": share}
        assert share >= 0.8, say(
            f"the weighted error falls from {before:.2f} to {after:.2f}; a fine search reaches "
            f"{possible:.2f}: {share:.0%} of the fall, 80% are asked for",
            f"加权误差从 {before:.2f} 降到 {after:.2f}；细致搜索能到 {possible:.2f}：只得到 {share:.0%} 的"
            "降幅，要求 80%",
        )


LAYERS = ("model.layers.1.mlp.down_proj", "model.layers.3.self_attn.o_proj")


@cache
def small_model():
    """The first four layers of the 135M, batches to collect on, and an unseen one."""
    model, tokenizer = lab.load_base("float32")
    model.model.layers = model.model.layers[:4]
    model.config.num_hidden_layers = 4
    lines = [line for line in lab.lessons().splitlines() if len(line) > 300]

    def texts(*numbers):
        chosen = [lines[n][: 300 - 30 * k] for k, n in enumerate(numbers)]
        return dict(tokenizer(chosen, return_tensors="pt", padding=True))

    return model.eval(), [texts(0, 9, 18), texts(27, 36, 45)], texts(5, 50, 60)


@torch.no_grad()
def inputs_of(name):
    """The unseen text's inputs of a layer, (tokens, in)."""
    model, _, unseen = small_model()
    kept = []
    handle = model.get_submodule(name).register_forward_pre_hook(lambda _, x: kept.append(x[0]))
    model(**unseen)
    handle.remove()
    return kept[0][unseen["attention_mask"].bool()]


def test_held_out(submission, figures):
    model, batches, _ = small_model()
    found = call("held_out", submission.collect, model, batches, list(LAYERS))
    for name in LAYERS:
        weight, x = model.get_submodule(name).weight.detach(), inputs_of(name)
        errors = []
        for quantized in (submission.plain(weight), submission.weighted(weight, found[name])):
            moved = x @ (weight - restored(quantized)).T
            errors.append((moved.pow(2).sum() / (x @ weight.T).pow(2).sum()).item())
        own = submission.output_error(weight, restored(submission.plain(weight)), x)
        assert abs(own - errors[0]) < 1e-3 * errors[0] + 1e-9, say(
            f"{name}: output_error says {own:.5g}; the grader measures {errors[0]:.5g}",
            f"{name}：output_error 得到 {own:.5g}；评分程序测得 {errors[0]:.5g}",
        )
        short = name.rpartition(".")[2]
        figures |= {f"plain_{short}": errors[0], f"weighted_{short}": errors[1]}
        assert errors[1] <= (1 - LEAST_FALL) * errors[0], say(
            f"{name}: on unseen text the outputs' error is {errors[1]:.5f}, with plain rounding "
            f"{errors[0]:.5f}; it must fall by {LEAST_FALL:.0%}",
            f"{name}：在未见文本上输出误差为 {errors[1]:.5f}，普通取整为 {errors[0]:.5f}；至少要降低 {LEAST_FALL:.0%}",
        )
