"""Criteria of foundations/rnn: the recurrence, its data, its training and its sampling."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from functools import cache

import torch
from torch import nn
from torch.nn import functional as F

from exercises import lab
from exercises.foundations.gate import Gate
from exercises.gap import call
from tutor.base.i18n import say

torch.set_num_threads(1)  # matrices this small lose by more; and the sums keep their order

quick = Gate()
MARGIN = 1.0
"""Nats a character by which the model must be below the entropy of single characters."""
NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


@quick
def test_equals_torch(submission, figures):
    for inputs, hidden, batch, time in ((3, 5, 2, 7), (6, 4, 3, 1)):
        torch.manual_seed(hidden)
        reference = nn.RNN(inputs, hidden, batch_first=True)
        own = call("equals_torch", submission.RNN, inputs, hidden)
        parameters = dict(own.named_parameters())
        for name in NAMES:
            wanted = getattr(reference, f"{name}_l0")
            shape = tuple(parameters[name].shape) if name in parameters else None
            assert shape == tuple(wanted.shape), say(
                f"RNN({inputs}, {hidden}) has {name} of shape {shape}, not {tuple(wanted.shape)}",
                f"RNN({inputs}, {hidden}) 的 {name} 形状为 {shape}，应为 {tuple(wanted.shape)}",
            )
            parameters[name].data = wanted.detach().clone()
        x, h = torch.randn(batch, time, inputs), torch.randn(batch, hidden)
        for start in (None, h):
            found = call("equals_torch", own, x, start)
            expected = reference(x, None if start is None else start[None])
            for what, a, b in zip(("states", "h"), found, (expected[0], expected[1][0]),
                                  strict=True):  # fmt: skip
                assert a.shape == b.shape, say(
                    f"{what}: shape {tuple(a.shape)}, not {tuple(b.shape)}",
                    f"{what}：形状为 {tuple(a.shape)}，应为 {tuple(b.shape)}",
                )
                figures["difference"] = (a - b).abs().max().item()
                given = start is not None
                assert figures["difference"] < 1e-5, say(
                    f"with nn.RNN's weights, {what} is off by {figures['difference']:.3g} "
                    f"(a state given: {given})",
                    f"用 nn.RNN 的权重，{what} 相差 {figures['difference']:.3g}"
                    f"（是否传入了初始状态：{given}）",
                )


def cut(criterion, submission, n=101, batch=4, length=6):
    ids = torch.arange(n)  # each id is its own place in the text
    found = list(call(criterion, submission.windows, ids, batch, length))
    places = sum(inputs.numel() for inputs, _ in found)
    assert places >= 0.9 * (n - length * batch), say(
        f"of {n} characters only {places} come as inputs ({batch} streams, windows of {length})",
        f"{n} 个字符里只有 {places} 个作为输入出现（{batch} 条流，窗口长 {length}）",
    )
    return found


@quick
def test_targets_ahead(submission):
    for inputs, targets in cut("targets_ahead", submission):
        assert tuple(inputs.shape) == tuple(targets.shape) and inputs.shape[0] == 4, say(
            f"inputs {tuple(inputs.shape)} and targets {tuple(targets.shape)}; both must be "
            "(4, at most 6)",
            f"inputs 为 {tuple(inputs.shape)}、targets 为 {tuple(targets.shape)}；"
            "两者都应为 (4, 至多 6)",
        )
        ahead = (targets - inputs).unique().tolist()
        assert ahead == [1], say(
            f"targets stand {ahead} characters after their inputs; it must be 1 everywhere",
            f"目标比输入靠后 {ahead} 个字符；应处处为 1",
        )


@quick
def test_streams_go_on(submission):
    found = cut("streams_go_on", submission)
    for (before, _), (after, _) in itertools.pairwise(found):
        stops, starts = before[:, -1].tolist(), after[:, 0].tolist()
        assert [stop + 1 for stop in stops] == starts, say(
            f"a window's rows stop at the characters {stops} and the next one's begin at {starts}: "
            "a state handed on would continue another text",
            f"一个窗口各行停在第 {stops} 个字符，下一个窗口却从 {starts} 开始："
            "传下去的状态就接到别的文字上了",
        )


class Counting(nn.Module):
    """Its state counts the windows; it notes the states that it is given, and whether a graph
    hangs on them. All characters stay equally likely."""

    def __init__(self, ids=5):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.ids, self.given = ids, []

    def forward(self, ids, h=None):
        self.given.append(h if h is None else (h.detach().clone(), h.requires_grad))
        h = torch.zeros(ids.shape[0], 2) if h is None else h.detach()
        flat = torch.zeros(*ids.shape, self.ids) * self.scale
        return flat, (h + 1) * self.scale


@quick
def test_state_handed_on(submission, figures):
    model = Counting()
    data = [(torch.zeros(3, 4).long(), torch.ones(3, 4).long()) for _ in range(4)]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    loss = call("state_handed_on", submission.train_epoch, model, data, optimizer)
    counts = [0.0 if h is None else h[0].mean().item() for h in model.given]
    assert counts == [0, 1, 2, 3], say(
        f"a model whose state counts windows was given the states {counts}; handed on from window "
        "to window they are [0, 1, 2, 3]",
        f"用状态给窗口计数的模型依次收到的状态是 {counts}；逐窗口传递应为 [0, 1, 2, 3]",
    )
    held = sum(h is not None and h[1] for h in model.given)
    assert held == 0, say(
        f"{held} of 4 windows got a state with its graph: backward would run through all windows "
        "before, which are freed already",
        f"4 个窗口中有 {held} 个收到的状态还连着计算图：反向会一直穿过之前所有窗口，"
        "而它们的图已经释放",
    )
    figures["loss"] = float(loss)
    assert abs(figures["loss"] - math.log(5)) < 1e-4, say(
        f"five characters, all equally likely, cost ln 5 = {math.log(5):.4f} nats; train_epoch "
        f"returned {figures['loss']:.4f}",
        f"五个字符等可能时损失应为 ln 5 = {math.log(5):.4f}；train_epoch 返回了 "
        f"{figures['loss']:.4f}",
    )


class Bigram(nn.Module):
    """Logits from the last character alone; no state."""

    def __init__(self, ids=6):
        super().__init__()
        torch.manual_seed(ids)
        self.table = nn.Embedding(ids, ids)

    def forward(self, ids, h=None):
        return self.table(ids), torch.zeros(ids.shape[0], 1)


def step_of(submission, max_norm):
    """Return how one window moved a model under SGD with rate 1, and its gradient."""
    model = Bigram()
    torch.manual_seed(2)
    inputs, targets = torch.randint(6, (2, 9)), torch.randint(6, (2, 9))
    loss = F.cross_entropy(model(inputs)[0].flatten(0, 1), targets.flatten())
    gradient = torch.autograd.grad(loss, model.table.weight)[0].flatten()
    before = model.table.weight.detach().clone()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    call("clipped", submission.train_epoch, model, [(inputs, targets)], optimizer, max_norm)
    return (before - model.table.weight.detach()).flatten(), gradient


@quick
def test_clipped(submission, figures):
    for max_norm in (100.0, 0.01):
        moved, gradient = step_of(submission, max_norm)
        wanted = min(gradient.norm().item(), max_norm)
        figures["norm"] = moved.norm().item()
        figures["cosine"] = F.cosine_similarity(moved, gradient, dim=0).item()
        assert abs(figures["norm"] - wanted) < 0.01 * wanted, say(
            f"a gradient of norm {gradient.norm():.4f} with max_norm={max_norm:g} took a step of "
            f"{figures['norm']:.4f}; it must be {wanted:.4f}",
            f"范数为 {gradient.norm():.4f} 的梯度在 max_norm={max_norm:g} 时走了 "
            f"{figures['norm']:.4f}；应为 {wanted:.4f}",
        )
        assert figures["cosine"] > 0.999, say(
            f"clipping turned the gradient: cosine {figures['cosine']:.3f} to the unclipped one",
            f"裁剪改变了梯度的方向：与未裁剪的梯度余弦为 {figures['cosine']:.3f}",
        )


class Sum(nn.Module):
    """The next character is the sum of all before it, modulo ids, with high probability."""

    def __init__(self, ids=7):
        super().__init__()
        self.ids = ids

    def forward(self, ids, h=None):
        h = torch.zeros(ids.shape[0], 1) if h is None else h
        sums = ids.cumsum(dim=1) + h.long()
        return 4.0 * F.one_hot(sums % self.ids, self.ids).float(), sums[:, -1:].float()


def sums(n):
    """Return a text that Sum often predicts right, if it has read all of it."""
    draw = random.Random(4)
    ids = [3]
    while len(ids) < n:
        ids.append(sum(ids) % 7 if draw.random() < 0.7 else draw.randrange(7))
    return torch.tensor(ids)


def measured(model, ids):
    """The grader's own figure: nats a character of ids[1:], the state carried through."""
    model.eval()
    with torch.no_grad():
        return F.cross_entropy(model(ids[None, :-1])[0][0], ids[1:]).item()


@quick
def test_measures(submission, figures):
    torch.manual_seed(4)
    for model, ids in ((Sum(), sums(300)), (Bigram(), torch.randint(6, (300,)))):
        figures["returned"] = float(call("measures", submission.cross_entropy, model, ids))
        figures["measured"] = measured(model, ids)
        assert abs(figures["returned"] - figures["measured"]) < 1e-3, say(
            f"cross_entropy returned {figures['returned']:.4f} nats a character for a known model "
            f"on 300 characters; it is {figures['measured']:.4f}",
            f"对一个已知模型和 300 个字符，cross_entropy 返回每字符 {figures['returned']:.4f} nat；"
            f"正确值为 {figures['measured']:.4f}",
        )


def drawn(submission, model, prompt, length, **options):
    found = call("sampling", submission.sample, model, torch.tensor(prompt), length, **options)
    ids = torch.as_tensor(found).flatten().tolist()
    assert len(ids) == length, say(
        f"asked for {length} characters, sample returned {len(ids)}",
        f"要求 {length} 个字符，sample 返回了 {len(ids)} 个",
    )
    return ids


class Constant(nn.Module):
    """The same logits everywhere."""

    LOGITS = torch.tensor([2.0, 1.0, 0.0, -1.0])

    def forward(self, ids, h=None):
        return self.LOGITS.expand(*ids.shape, 4), torch.zeros(ids.shape[0], 1)


@quick
def test_sampling(submission, figures):
    cold = drawn(submission, Sum(), [3, 5, 1], 12, temperature=0.05)
    chain = [3, 5, 1]
    for _ in range(12):
        chain.append(sum(chain) % 7)
    assert cold == chain[3:], say(
        f"a model that adds up all characters so far goes on {chain[3:9]} after the prompt "
        f"[3, 5, 1]; sampled (temperature 0.05) was {cold[:6]}",
        f"一个把此前所有字符相加的模型，在提示 [3, 5, 1] 之后应接 {chain[3:9]}；"
        f"温度 0.05 下采样得到 {cold[:6]}",
    )
    for temperature in (0.5, 2.0):
        counts = Counter(drawn(submission, Constant(), [0], 2000, temperature=temperature, seed=8))
        wanted = (Constant.LOGITS / temperature).softmax(dim=0).tolist()
        shares = [counts[i] / 2000 for i in range(4)]
        far = sum(abs(a - b) for a, b in zip(shares, wanted, strict=True)) / 2
        figures["variation"] = far
        assert far < 0.06, say(
            f"at temperature {temperature:g} four characters came with the shares {listed(shares)}; "
            f"softmax(logits / temperature) is {listed(wanted)}",
            f"温度 {temperature:g} 下四个字符的频率为 {listed(shares)}；"
            f"softmax(logits / temperature) 为 {listed(wanted)}",
        )
    first, again, other = (drawn(submission, Constant(), [0], 40, seed=s) for s in (1, 1, 2))
    assert first == again and first != other, say(
        "the same seed must give the same characters, and another seed others; here same seed "
        f"equal: {first == again}, other seed different: {first != other}",
        "相同的种子应得到相同的字符，不同的种子应得到不同的字符；这里同种子相同："
        f"{first == again}，异种子不同：{first != other}",
    )


def listed(values):
    return ", ".join(f"{value:.2f}" for value in values)


@cache
def corpus():
    """Return the ids of the training text and of the held-out text, and how many ids there are."""
    text = lab.lessons("en")
    at = len(text) * 85 // 100
    alphabet = sorted(set(text[:at]))
    place = {character: i for i, character in enumerate(alphabet)}
    ids = torch.tensor([place.get(character, len(alphabet)) for character in text])
    return ids[:at], ids[at:], len(alphabet) + 1


def unigram_entropy(train, held_out, size):
    """Return the cross-entropy of single characters: their shares in the training text, one
    added to each count."""
    counts = torch.bincount(train, minlength=size) + 1
    return -(counts / counts.sum()).log()[held_out[1:]].mean().item()


def test_held_out(submission, figures, request):
    quick.require(request)
    train, held_out, size = corpus()
    model = call("held_out", submission.fit, train, size, seed=0)
    figures["unigram"] = unigram_entropy(train, held_out, size)
    figures["nats"] = measured(model, held_out)
    bound = figures["unigram"] - MARGIN
    assert figures["nats"] <= bound, say(
        f"on {len(held_out):,} characters that it never saw the model needs {figures['nats']:.3f} "
        f"nats a character; single characters have {figures['unigram']:.3f}, and {MARGIN} less, "
        f"{bound:.3f}, is asked for",
        f"在 {len(held_out):,} 个没见过的字符上，模型每字符 {figures['nats']:.3f} nat；"
        f"只看单个字符的频率是 {figures['unigram']:.3f}，要求再低 {MARGIN}，即 {bound:.3f}",
    )
