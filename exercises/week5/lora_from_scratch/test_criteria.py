"""Criteria of week5/lora_from_scratch: arXiv 2106.09685, section 4.1, one property each."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from exercises import lab
from exercises.gap import call
from tutor.base.i18n import say

# float32 differs by the order of summation; bfloat16 keeps 8 bits of each weight.
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 6e-2}


@pytest.fixture
def make(submission, criterion):
    """LoRALinear over a seeded base, with a message of the criterion's own where it is a gap."""

    def make(inputs=12, outputs=7, rank=3, alpha=6.0, bias=True, dtype=torch.float32, dropout=0.0):
        torch.manual_seed(inputs * 100 + outputs)
        base = nn.Linear(inputs, outputs, bias=bias, dtype=dtype)
        return call(criterion, submission.LoRALinear, base, rank, alpha, dropout)

    return make


def matrices(layer):
    """Return A and B, whatever else the layer has."""
    for name in ("A", "B"):
        assert isinstance(getattr(layer, name, None), nn.Parameter), say(
            f"the layer has no nn.Parameter named {name}", f"该层没有名为 {name} 的 nn.Parameter"
        )
    return layer.A, layer.B


def shake(layer, seed=1):
    """Give both matrices values, as training would."""
    torch.manual_seed(seed)
    for matrix in matrices(layer):
        matrix.data = torch.randn_like(matrix) * 0.3
    return layer


def test_identity_at_start(make, figures):
    for bias in (True, False):
        layer = make(bias=bias)
        x = torch.randn(5, 4, 12)
        expected = layer.base(x)
        got = layer(x)
        assert got.shape == expected.shape, say(
            f"for an input of {tuple(x.shape)} the output is {tuple(got.shape)}, "
            f"not {tuple(expected.shape)}",
            f"输入形状为 {tuple(x.shape)} 时，输出是 {tuple(got.shape)}，"
            f"应为 {tuple(expected.shape)}",
        )
        figures["difference"] = (got - expected).abs().max().item()
        assert torch.equal(got, expected), say(
            f"a fresh layer differs from its base by {figures['difference']:.2g}; "
            "B must start at zero, so that B A x is exactly zero",
            f"刚创建的层与基础层相差 {figures['difference']:.2g}；"
            "B 必须初始化为零，这样 B A x 才严格为零",
        )


def test_initial_matrices(make):
    for inputs, outputs, rank in ((12, 7, 3), (5, 20, 2)):
        A, B = matrices(make(inputs, outputs, rank))
        assert (tuple(A.shape), tuple(B.shape)) == ((rank, inputs), (outputs, rank)), say(
            f"for Linear({inputs}, {outputs}) and rank {rank}, A is {tuple(A.shape)} and B is "
            f"{tuple(B.shape)}; the paper has A ({rank}, {inputs}) and B ({outputs}, {rank})",
            f"对 Linear({inputs}, {outputs})、秩 {rank}，A 为 {tuple(A.shape)}、B 为 "
            f"{tuple(B.shape)}；论文中 A 为 ({rank}, {inputs})，B 为 ({outputs}, {rank})",
        )
        assert not B.any(), say("B does not start at zero", "B 的初始值不为零")
        assert A.std() > 0, say(
            "A starts constant: with B zero as well nothing would ever be learned",
            "A 的初始值是常数：B 又为零，就永远学不到东西",
        )
    first, second = matrices(make())[0], matrices_unseeded(make)
    assert not torch.equal(first, second), say(
        "A is the same after another seed: draw it at random",
        "换了随机种子，A 却没有变化：它应随机初始化",
    )


def matrices_unseeded(make):
    """A of the same layer, drawn after another seed."""
    layer = make()
    torch.manual_seed(4321)
    return type(layer)(copy.deepcopy(layer.base), 3, 6.0).A


def test_only_adapter_trains(make, figures):
    for inputs, outputs, rank in ((12, 7, 3), (64, 32, 8)):
        layer = make(inputs, outputs, rank)
        names = {name for name, p in layer.named_parameters() if p.requires_grad}
        trainable = sum(p.numel() for p in layer.parameters() if p.requires_grad)
        expected = rank * (inputs + outputs)
        figures["trainable"] = trainable
        assert trainable == expected, say(
            f"Linear({inputs}, {outputs}) with rank {rank} has {trainable} trainable parameters "
            f"({', '.join(sorted(names)) or 'none'}); r x (in + out) is {expected}",
            f"Linear({inputs}, {outputs})、秩 {rank} 时可训练参数有 {trainable} 个"
            f"（{'、'.join(sorted(names)) or '无'}）；r × (in + out) 应为 {expected}",
        )
        assert names == {"A", "B"}, say(
            f"trainable are {', '.join(sorted(names))}; only A and B may be",
            f"可训练的是 {'、'.join(sorted(names))}；只应有 A 和 B",
        )


def test_scaling(make):
    for rank, alpha in ((1, 1.0), (2, 16.0), (4, 8.0), (8, 4.0)):
        layer = shake(make(rank=rank, alpha=alpha)).eval()
        x = torch.randn(6, 12)
        update = layer(x) - layer.base(x)
        product = x @ layer.A.T @ layer.B.T
        ratio = ((update * product).sum() / (product * product).sum()).item()
        assert torch.allclose(update, alpha / rank * product, atol=1e-4), say(
            f"with rank {rank} and alpha {alpha:g} the update is {ratio:.3g} times B A x; "
            f"it must be alpha / r = {alpha / rank:g}",
            f"秩 {rank}、alpha {alpha:g} 时，更新量是 B A x 的 {ratio:.3g} 倍；"
            f"应为 alpha / r = {alpha / rank:g}",
        )


def test_dropout(make):
    layer = shake(make(dropout=0.5))
    x = torch.ones(200, 12)
    layer.train()
    outputs = layer(x)
    assert not torch.allclose(outputs[0], outputs[1]), say(
        "with dropout 0.5 two equal rows come out equal in training: nothing is dropped",
        "dropout 为 0.5 时，训练模式下两行相同的输入得到相同的输出：没有丢弃任何东西",
    )
    narrow = shake(make(rank=1, dropout=0.5)).train()
    # Of a dropped input something is left; behind A whole rows become zero, behind B numbers do.
    zero = (narrow(x) == narrow.base(x)).float().mean().item()
    assert zero < 0.05, say(
        f"with rank 1 and dropout 0.5 the update is zero in {zero:.0%} of its places: dropout acts "
        "behind A or behind B; only the adapter's input may be dropped",
        f"秩为 1、dropout 为 0.5 时，更新量有 {zero:.0%} 的位置为零：dropout 作用在了 A 或 B 之后；"
        "只应作用在适配器的输入上",
    )
    with torch.no_grad():
        layer.B.zero_()
    assert torch.equal(layer(x), layer.base(x)), say(
        "the base's branch is dropped too; only the adapter's input may be",
        "基础层的分支也被施加了 dropout；只应作用在适配器的输入上",
    )
    layer = shake(layer).eval()
    assert torch.equal(layer(x)[0], layer(x)[1]), say(
        "dropout still acts in eval mode: use nn.Dropout, which eval() switches off",
        "eval 模式下 dropout 仍在起作用：请使用 nn.Dropout，它会被 eval() 关闭",
    )


def test_merge(make, figures):
    for dtype, atol in TOLERANCE.items():
        for bias in (True, False):
            layer = shake(make(32, 24, 4, 8.0, bias, dtype, dropout=0.3)).eval()
            before = lab.fingerprint(layer.state_dict())
            merged = merged_layer(layer)
            x = torch.randn(10, 32, dtype=dtype)
            difference = (merged(x) - layer(x)).abs().max().item()
            figures[f"difference_{str(dtype).removeprefix('torch.')}"] = difference
            assert difference <= atol * layer(x).abs().max().item(), say(
                f"in {dtype} (bias={bias}) the merged layer differs by {difference:.2g}",
                f"在 {dtype}（bias={bias}）下，合并后的层相差 {difference:.2g}",
            )
            assert lab.fingerprint(layer.state_dict()) == before, say(
                "merge() changed the layer itself: a second merge would add the update twice",
                "merge() 改动了层本身：再合并一次就会把更新量加两遍",
            )
            shared = merged.weight.untyped_storage().data_ptr()
            assert shared != layer.base.weight.untyped_storage().data_ptr(), say(
                "the merged weight shares its memory with the base's",
                "合并后的权重与基础层共用同一块内存",
            )


def merged_layer(layer):
    merged = call("merge", layer.merge)
    assert isinstance(merged, nn.Linear), say(
        f"merge() returns {type(merged).__name__}, not an nn.Linear",
        f"merge() 返回的是 {type(merged).__name__}，而不是 nn.Linear",
    )
    assert (merged.bias is None) == (layer.base.bias is None), say(
        "the merged layer lost the base's bias, or has one that the base lacks",
        "合并后的层丢了基础层的偏置，或多出了一个基础层没有的偏置",
    )
    assert merged.weight.dtype == layer.base.weight.dtype, say(
        f"the base is {layer.base.weight.dtype}, the merged layer {merged.weight.dtype}",
        f"基础层是 {layer.base.weight.dtype}，合并后的层却是 {merged.weight.dtype}",
    )
    return merged


def test_gradients(make):
    layer = shake(make())
    layer(torch.randn(5, 12)).pow(2).mean().backward()
    for name in ("A", "B"):
        gradient = getattr(layer, name).grad
        assert gradient is not None and gradient.any(), say(
            f"no gradient reaches {name}", f"梯度没有传到 {name}"
        )
    reached = [name for name, p in layer.base.named_parameters() if p.grad is not None]
    assert not reached, say(
        f"a gradient was computed for base.{', base.'.join(reached)}: that is the memory that "
        "LoRA saves",
        f"为 base.{'、base.'.join(reached)} 计算了梯度：LoRA 要省的正是这部分内存",
    )


def test_learns(make, figures):
    """A target that differs from the base by a matrix of rank 2, which rank 3 can express."""
    layer = make(16, 10, 3, 6.0)
    torch.manual_seed(7)
    target = layer.base.weight.detach() + torch.randn(10, 2) @ torch.randn(2, 16) * 0.3
    x = torch.randn(256, 16)
    y = x @ target.T + layer.base.bias.detach()
    before = lab.fingerprint(layer.base.state_dict())
    trainable = [p for p in layer.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=0.03, weight_decay=0.0)
    losses = []
    for _ in range(150):
        loss = (layer(x) - y).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    figures |= {"first_loss": losses[0], "last_loss": losses[-1]}
    assert losses[-1] < 0.1 * losses[0], say(
        f"150 steps of AdamW took the loss from {losses[0]:.3f} to {losses[-1]:.3f} only",
        f"AdamW 训练 150 步，损失只从 {losses[0]:.3f} 降到 {losses[-1]:.3f}",
    )
    assert lab.fingerprint(layer.base.state_dict()) == before, say(
        "the base's weights changed in training", "训练改动了基础层的权重"
    )


def test_equals_peft(make, figures):
    """The same A and B in peft's own layer give the same output."""
    from peft.tuners.lora import Linear, LoraConfig

    for rank, alpha, bias in ((3, 6.0, True), (8, 4.0, False)):
        layer = shake(make(rank=rank, alpha=alpha, bias=bias)).eval()
        config = LoraConfig(r=rank, lora_alpha=alpha)
        reference = Linear(copy.deepcopy(layer.base), "default", config, r=rank, lora_alpha=alpha)
        reference.lora_A["default"].weight.data = layer.A.detach().clone()
        reference.lora_B["default"].weight.data = layer.B.detach().clone()
        x = torch.randn(9, 12)
        figures["difference"] = (layer(x) - reference.eval()(x)).abs().max().item()
        assert figures["difference"] < 1e-5, say(
            f"for the same A and B (rank {rank}, alpha {alpha:g}) peft's layer differs by "
            f"{figures['difference']:.2g}",
            f"A、B 相同时（秩 {rank}，alpha {alpha:g}），与 peft 的层相差 "
            f"{figures['difference']:.2g}",
        )


class Block(nn.Module):
    """A small model with names like a transformer's, one trap among them: a Linear whose path,
    but not whose own name, holds a target's name; and a module of a target's name that is no
    Linear."""

    def __init__(self):
        super().__init__()
        self.q_proj = nn.Linear(8, 8)
        self.k_proj = nn.Linear(8, 8)
        self.v_proj = nn.Linear(8, 4, bias=False)
        self.old_q_proj = nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8)

    def forward(self, x):
        return self.v_proj(self.norm(self.q_proj(x) + self.k_proj(x) + self.old_q_proj(x)))


class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.v_proj = nn.Identity()
        self.out = nn.Linear(4, 8)

    def forward(self, x):
        return self.out(self.v_proj(x))


def test_inject(submission, figures):
    torch.manual_seed(0)
    model = nn.Sequential(Block(), Odd(), nn.ModuleDict({"q_proj": Block()})["q_proj"]).eval()
    x = torch.randn(3, 8)
    expected = model(x)
    injected = call("inject", submission.inject, model, ["q_proj", "v_proj"], rank=2, alpha=4)
    assert isinstance(injected, nn.Module), say("inject returns no model", "inject 没有返回模型")
    replaced = {n for n, m in injected.named_modules() if isinstance(m, submission.LoRALinear)}
    wanted = {"0.q_proj", "0.v_proj", "2.q_proj", "2.v_proj"}
    assert replaced == wanted, say(
        f"replaced were {sorted(replaced)}; it must be {sorted(wanted)}",
        f"被替换的是 {sorted(replaced)}；应为 {sorted(wanted)}",
    )
    trainable = {n for n, p in injected.named_parameters() if p.requires_grad}
    assert trainable == {f"{path}.{name}" for path in wanted for name in "AB"}, say(
        f"trainable in the model: {sorted(trainable)}; only the A and B of the new layers may be",
        f"模型中可训练的参数：{sorted(trainable)}；只应有新层的 A 和 B",
    )
    figures["trainable"] = sum(p.numel() for p in injected.parameters() if p.requires_grad)
    assert torch.equal(injected.eval()(x), expected), say(
        "the model's output changed although nothing was trained",
        "还没有训练，模型的输出就变了",
    )
