"""Criteria of foundations/cnn: the arithmetic of a convolution, and what sharing a filter buys."""

from __future__ import annotations

from functools import cache

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from exercises.gap import call
from tutor.base.i18n import say

torch.set_num_threads(1)  # images this small lose by more; and the sums keep their order

ACCURACY = 0.96
MARGIN = 0.1
"""By how much the CNN's accuracy on shifted images must be above the MLP's."""
BUDGET = 12_000


class Watched(TorchDispatchMode):
    """Notes whether torch's own convolution was called."""

    def __init__(self):
        super().__init__()
        self.convolutions = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.convolutions += "convolution" in str(func)
        return func(*args, **(kwargs or {}))


def random_case(n, channels, size, out, kernel, seed=0):
    """Return x (n, channels, *size), weight (out, channels, *kernel) and bias (out,)."""
    torch.manual_seed(seed)
    return torch.randn(n, channels, *size), torch.randn(out, channels, *kernel), torch.randn(out)


def compare(criterion, submission, case, bias=True, **options):
    """Assert that the learner's convolution equals torch's; return its output."""
    x, weight, b = case
    b = b if bias else None
    got = call(criterion, submission.conv2d, x, weight, b, **options)
    wanted = F.conv2d(x, weight, b, **options)
    shapes = f"x {tuple(x.shape)}, weight {tuple(weight.shape)}, {options or 'no options'}"
    assert tuple(got.shape) == tuple(wanted.shape), say(
        f"{shapes}: the output is {tuple(got.shape)}, not {tuple(wanted.shape)}",
        f"{shapes}：输出形状为 {tuple(got.shape)}，应为 {tuple(wanted.shape)}",
    )
    off = (got - wanted).abs().max().item()
    flipped = F.conv2d(x, weight.flip(2, 3), b, **options)
    assert off < 1e-4 or not torch.allclose(got, flipped, atol=1e-4), say(
        f"{shapes}: this is the convolution with the kernel flipped; torch's does not flip it",
        f"{shapes}：这是把卷积核翻转后的结果；torch 的卷积并不翻转",
    )
    assert off < 1e-4, say(
        f"{shapes}: an element is off by {off:.3g}", f"{shapes}：有元素相差 {off:.3g}"
    )
    return got


def test_output_size(submission):
    cases = [
        (size, kernel, padding, stride)
        for size in (5, 8, 9, 28)
        for kernel in (1, 2, 3, 5)
        for padding in (0, 1, 2)
        for stride in (1, 2, 3)
    ]
    for size, kernel, padding, stride in cases:
        got = call("output_size", submission.conv_output_size, size, kernel, padding, stride)
        layer = nn.Conv1d(1, 1, kernel, padding=padding, stride=stride)
        wanted = layer(torch.zeros(1, 1, size)).shape[-1]
        assert got == wanted and isinstance(got, int), say(
            f"{size} pixels, kernel {kernel}, padding {padding}, stride {stride}: {got!r}; "
            f"torch's convolution has {wanted} places (an int)",
            f"{size} 个像素、核 {kernel}、填充 {padding}、步幅 {stride}：得到 {got!r}；"
            f"torch 的卷积有 {wanted} 个位置（整数）",
        )


def test_parameters(submission):
    for i, o, kernel, bias in (
        (1, 16, 3, True),
        (3, 8, 5, False),
        (16, 32, 3, True),
        (4, 4, 1, True),
    ):
        got = call("parameters", submission.conv_parameters, i, o, kernel, bias)
        wanted = sum(p.numel() for p in nn.Conv2d(i, o, kernel, bias=bias).parameters())
        assert got == wanted, say(
            f"{i} -> {o} channels, kernel {kernel} x {kernel}, bias={bias}: {got}; "
            f"nn.Conv2d has {wanted} parameters",
            f"{i} -> {o} 通道、{kernel} × {kernel} 的核、bias={bias}：得到 {got}；"
            f"nn.Conv2d 有 {wanted} 个参数",
        )


def test_cross_correlation(submission):
    compare("cross_correlation", submission, random_case(1, 1, (6, 6), 1, (3, 3)), bias=False)
    compare("cross_correlation", submission, random_case(2, 3, (7, 7), 4, (3, 3)))
    compare("cross_correlation", submission, random_case(2, 2, (9, 6), 5, (2, 4), seed=1))


def test_padding_and_stride(submission):
    case = random_case(2, 3, (9, 8), 4, (3, 3), seed=2)
    for padding, stride in ((1, 1), (2, 1), (0, 2), (1, 2), (1, 3), (2, 3)):
        compare("padding_and_stride", submission, case, padding=padding, stride=stride)


def test_by_hand(submission):
    x, weight, bias = random_case(2, 3, (6, 6), 4, (3, 3), seed=3)
    inputs = [t.requires_grad_() for t in (x, weight, bias)]
    with Watched() as watched:
        got = call("by_hand", submission.conv2d, *inputs, padding=1)
    assert watched.convolutions == 0, say(
        f"conv2d calls torch's own convolution ({watched.convolutions} time(s)); write the sum "
        "yourself",
        f"conv2d 调用了 torch 自带的卷积（{watched.convolutions} 次）；请自己写出这个求和",
    )
    assert got.requires_grad, say(
        "no gradient flows back through the output: it was computed outside autograd",
        "输出无法反传梯度：计算发生在 autograd 之外",
    )
    weights = torch.randn(got.shape, generator=torch.Generator().manual_seed(4))
    found = torch.autograd.grad((got * weights).sum(), inputs, allow_unused=True)
    wanted = torch.autograd.grad((F.conv2d(*inputs, padding=1) * weights).sum(), inputs)
    for name, a, b in zip(("x", "weight", "bias"), found, wanted, strict=True):
        off = float("inf") if a is None else (a - b).abs().max().item()
        assert off < 1e-3, say(
            f"the gradient of {name} is off by {off:.3g}", f"{name} 的梯度相差 {off:.3g}"
        )


def test_model(submission, figures):
    torch.manual_seed(0)
    model = call("model", submission.build_cnn).eval()
    images = torch.rand(5, 1, 8, 8)
    out = model(images).detach()
    assert tuple(out.shape) == (5, 10), say(
        f"five images give {tuple(out.shape)}, not (5, 10)",
        f"五张图片得到 {tuple(out.shape)}，应为 (5, 10)",
    )
    sums = out.exp().sum(dim=1) if (out <= 0).all() else out.sum(dim=1)
    assert not torch.allclose(sums, torch.ones(5), atol=1e-4), say(
        "each row is a distribution already: cross_entropy wants logits",
        "每一行已经是概率分布：cross_entropy 需要的是 logits",
    )
    figures["parameters"] = sum(p.numel() for p in model.parameters())
    assert figures["parameters"] <= BUDGET, say(
        f"the model has {figures['parameters']:,} parameters; at most {BUDGET:,} are allowed",
        f"模型有 {figures['parameters']:,} 个参数；最多允许 {BUDGET:,} 个",
    )


@cache
def digits():
    """Return the grader's split: images (n, 1, 8, 8) from 0 to 1 with labels, two parts."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, y = load_digits(return_X_y=True)
    x = torch.tensor(x).float().reshape(-1, 1, 8, 8) / 16
    parts = train_test_split(x, torch.tensor(y), test_size=0.3, random_state=77, stratify=y)
    return (parts[0], parts[2]), (parts[1], parts[3])


def accuracy(model, images, labels):
    model.eval()
    with torch.no_grad():
        return (model(images).argmax(dim=1) == labels).float().mean().item()


def shifted_accuracy(model):
    """Return the mean accuracy over the four shifts by one pixel; zeros come in at the edge."""
    images, labels = digits()[1]
    found = []
    for left, right, top, bottom in ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)):
        moved = F.pad(images, (left, right, top, bottom))
        moved = moved[:, :, bottom : bottom + 8, right : right + 8]
        found.append(accuracy(model, moved, labels))
    return sum(found) / len(found)


@cache
def trained(build, fit):
    torch.manual_seed(5)
    model = build()
    fit(model, *digits()[0], seed=1)
    return model


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))


def test_held_out_accuracy(submission, figures):
    model = call("held_out_accuracy", trained, submission.build_cnn, submission.fit)
    figures["accuracy"] = accuracy(model, *digits()[1])
    assert figures["accuracy"] >= ACCURACY, say(
        f"after your fit, the CNN gets {figures['accuracy']:.3f} of {len(digits()[1][1])} unseen "
        f"images right; {ACCURACY} is asked for",
        f"经你的 fit 训练后，CNN 在 {len(digits()[1][1])} 张没见过的图片上准确率为 "
        f"{figures['accuracy']:.3f}；要求达到 {ACCURACY}",
    )


def test_survives_shifts(submission, figures):
    cnn = call("survives_shifts", trained, submission.build_cnn, submission.fit)
    plain = call("survives_shifts", trained, mlp, submission.fit)
    figures["mlp"] = accuracy(plain, *digits()[1])
    assert figures["mlp"] >= 0.9, say(
        f"your fit brings an ordinary MLP to {figures['mlp']:.3f} only, so the comparison would "
        "not be fair",
        f"你的 fit 只能把普通的 MLP 训练到 {figures['mlp']:.3f}，这样比较不公平",
    )
    figures |= {"cnn_shifted": shifted_accuracy(cnn), "mlp_shifted": shifted_accuracy(plain)}
    assert figures["cnn_shifted"] >= figures["mlp_shifted"] + MARGIN, say(
        f"on images moved by one pixel the CNN gets {figures['cnn_shifted']:.3f} right, an MLP of "
        f"9,610 parameters trained by the same fit {figures['mlp_shifted']:.3f}; the CNN must be "
        f"{MARGIN} better",
        f"图片移动一个像素后，CNN 的准确率是 {figures['cnn_shifted']:.3f}，由同一个 fit 训练的 "
        f"9,610 个参数的 MLP 是 {figures['mlp_shifted']:.3f}；CNN 须高出 {MARGIN}",
    )
