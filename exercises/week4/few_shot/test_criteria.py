"""Criteria of week4/few_shot. Exactness is checked on a small model with random weights in
float32, where every position counts; accuracy on the real one."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import permutations

import pytest
import torch

from exercises import lab
from exercises.gap import call
from tutor.base.i18n import say

LABELS = (" negative", " positive")
ODD = (" bad", " utterly wonderful", " not good at all")  # one, several and many tokens
CONTENT_FREE = ("N/A", "[MASK]", "")
SHOTS = [
    {"text": "A waste of two hours.", "label": 0},
    {"text": "Warm, funny and wise.", "label": 1},
    {"text": "The jokes fall flat.", "label": 0},
]
TEXTS = (
    "A delight.",
    "Nobody in this film seems to know why they are there, least of all the director.",
    "Dull and far too long.",
    "I would see it again tomorrow, and take my mother.",
    "It is a film about a dog.",
)
REVIEWS, WORDS, FLOOR = 48, 40, 0.65  # number, longest text, least accuracy
TOLERANCE = 2e-3  # nats; float32 sums a long row in another order than a short one


@pytest.fixture(scope="module")
def base():
    model, tokenizer = lab.load_base()
    return model.eval(), tokenizer


@pytest.fixture(scope="module")
def small(base):
    """A model of two layers with random weights that is sure of its opinions."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(11)
    config = LlamaConfig(
        vocab_size=base[0].config.vocab_size,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=512,
        initializer_range=0.5,
    )
    return LlamaForCausalLM(config).eval()


@torch.no_grad()
def reference(model, tokenizer, prompt: str, label: str) -> list[float]:
    """Return the log-probability of each of the label's tokens: one sequence, no padding."""
    given = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    wanted = tokenizer(label, add_special_tokens=False)["input_ids"]
    logits = model(input_ids=torch.tensor([given + wanted])).logits[0].float()
    logprobs = logits[len(given) - 1 : -1].log_softmax(-1)
    return [row[token].item() for row, token in zip(logprobs, wanted, strict=True)]


def matrix(model, tokenizer, prompts, labels) -> torch.Tensor:
    return torch.tensor([[sum(reference(model, tokenizer, p, y)) for y in labels] for p in prompts])


def block(text: str, label: int | None = None) -> str:
    return f"Review: {text}\nSentiment:" + (f"{LABELS[label]}\n\n" if label is not None else "")


def prompt_of(shots, text: str) -> str:
    """The grader's own prompt."""
    return "".join(block(s["text"], s["label"]) for s in shots) + block(text)


def as_matrix(got, rows: int, columns: int, what: str) -> torch.Tensor:
    got = torch.as_tensor(got).detach().float()
    assert tuple(got.shape) == (rows, columns), say(
        f"{what} has the shape {tuple(got.shape)}, not {(rows, columns)}",
        f"{what} 的形状是 {tuple(got.shape)}，应为 {(rows, columns)}",
    )
    return got


def close(got, wanted, where: str, tip: str) -> None:
    """Compare (n, labels) matrices; say where they differ most."""
    difference = (got - wanted).abs()
    row, column = divmod(int(difference.argmax()), difference.shape[1])
    assert difference.max() < TOLERANCE, say(
        f"{where}: for prompt {row + 1}, label {column + 1} you have {got[row, column]:.3f}, "
        f"the model says {wanted[row, column]:.3f}. {tip}",
        f"{where}：第 {row + 1} 个提示、第 {column + 1} 个标签，你得到 {got[row, column]:.3f}，"
        f"按模型应为 {wanted[row, column]:.3f}。{tip}",
    )


def test_prompt(submission):
    for shots in ([], SHOTS[:1], SHOTS):
        got = call("prompt", submission.build_prompt, shots, "It is a film.")
        wanted = prompt_of(shots, "It is a film.")
        same = next((i for i, (a, b) in enumerate(zip(got, wanted, strict=False)) if a != b),
                    min(len(got), len(wanted)))  # fmt: skip
        assert got == wanted, say(
            f"with {len(shots)} shot(s) the prompt is right up to {wanted[max(0, same - 20) : same]!r}; "
            f"then it goes on {got[same : same + 20]!r} instead of {wanted[same : same + 20]!r}",
            f"{len(shots)} 个示例时，提示到 {wanted[max(0, same - 20) : same]!r} 为止是对的；"
            f"接下来是 {got[same : same + 20]!r}，应为 {wanted[same : same + 20]!r}",
        )


def scored(submission, criterion, model, tokenizer, prompts, labels=LABELS, **options):
    got = call(criterion, submission.label_logprobs, model, tokenizer, prompts, labels, **options)
    return as_matrix(got, len(prompts), len(labels), "label_logprobs")


def test_logprobs(submission, base, small, figures):
    """The sum over the label's own tokens, each predicted by the position before it."""
    for labels in (LABELS, ODD):
        for text in TEXTS[:3]:
            prompts = [prompt_of(SHOTS[:1], text)]
            wanted = matrix(small, base[1], prompts, labels)
            got = scored(submission, "logprobs", small, base[1], prompts, labels, batch_size=1)
            figures["difference"] = (got - wanted).abs().max().item()
            close(got, wanted, say("one prompt at a time", "每次一个提示"), say(
                "Sum over the label's tokens only, space included; position i predicts i + 1.",
                "只对标签自己的 token（含空格）求和；位置 i 预测的是 i + 1。",
            ))  # fmt: skip


@contextmanager
def rows_through(model):
    """Note how many sequences go through the model at a time, at its table of tokens."""
    calls: list[int] = []
    table = model.get_input_embeddings()
    handle = table.register_forward_hook(lambda _, args, out: calls.append(len(args[0])))
    try:
        yield calls
    finally:
        handle.remove()


def test_batch(submission, base, small, figures):
    """Prompts of different lengths in one batch give what each gives alone."""
    prompts = [prompt_of(SHOTS[:n], text) for n, text in zip((0, 3, 1, 0, 2), TEXTS, strict=True)]
    wanted = matrix(small, base[1], prompts, ODD)
    for size in (32, 4):
        with rows_through(small) as calls:
            got = scored(submission, "batch", small, base[1], prompts, ODD, batch_size=size)
        figures["difference"] = (got - wanted).abs().max().item()
        close(got, wanted, say(f"batch_size={size}", f"batch_size={size}"), say(
            "Padding must neither be scored nor attended to nor shift the positions.",
            "填充既不能计分，也不能参与注意力，更不能让位置错开。",
        ))  # fmt: skip
        # Label by label it may go as well: so many passes for each label.
        enough = len(ODD) * -(-len(prompts) // size)
        most = max(calls, default=0)
        assert len(calls) <= enough and most <= size, say(
            f"batch_size={size}, {len(prompts)} prompts with {len(ODD)} labels each: forward "
            f"passes {len(calls)}, sequences in the largest {most}; {enough} passes of at most "
            f"{size} are enough",
            f"batch_size={size}，{len(prompts)} 个提示各配 {len(ODD)} 个标签：前向 {len(calls)} 次，"
            f"最大的一次有 {most} 条序列；每次至多 {size} 条，{enough} 次就够",
        )
    again = call("batch", submission.label_logprobs, small, base[1], prompts[:2])
    assert not torch.as_tensor(again).requires_grad, say(
        "the scores carry gradients: without torch.no_grad every activation stays in memory",
        "得分带着梯度：不用 torch.no_grad，所有激活都会留在内存里",
    )


def test_mean(submission, base, small):
    prompts = [prompt_of(SHOTS[:1], text) for text in TEXTS[:3]]
    each = [[reference(small, base[1], p, y) for y in ODD] for p in prompts]
    wanted = torch.tensor([[sum(x) / len(x) for x in row] for row in each])
    got = scored(submission, "mean", small, base[1], prompts, ODD, mean=True)
    lengths = [len(x) for x in each[0]]
    close(got, wanted, say(f"mean=True, labels of {lengths} tokens", f"mean=True，标签各有 {lengths} 个 token"), say(
        "Divide the sum by the number of the label's tokens.", "把总和除以标签的 token 数。"
    ))  # fmt: skip


def test_calibrate(submission):
    """q proportional to p / p_cf, rows sum to one."""
    torch.manual_seed(3)
    for labels in (2, 3):
        logprobs = torch.randn(6, labels) * 2 - 9
        empty = torch.randn(3, labels) * 2 - 9
        got = call("calibrate", submission.calibrate, logprobs, empty)
        got = as_matrix(got, 6, labels, "calibrate")
        bias = (empty.exp() / empty.exp().sum(1, keepdim=True)).mean(0)
        wanted = logprobs.exp() / bias
        wanted = wanted / wanted.sum(1, keepdim=True)
        rows = got.sum(1)
        assert torch.allclose(rows, torch.ones(6), atol=1e-4), say(
            f"the rows sum to {rows.min():.3f} to {rows.max():.3f}, not to one",
            f"各行之和在 {rows.min():.3f} 到 {rows.max():.3f} 之间，应为一",
        )
        difference = (got - wanted).abs().max().item()
        assert difference < 1e-4, say(
            f"with {labels} labels a probability is off by {difference:.3f}: softmax both over the "
            "labels, average the content-free rows, divide, normalize",
            f"{labels} 个标签时，有概率相差 {difference:.3f}：两者先在标签上做 softmax，"
            "再对无内容的各行取平均，相除，归一化",
        )
    fair = call("calibrate", submission.calibrate, empty[:1], empty[:1])
    assert torch.allclose(torch.as_tensor(fair).float(), torch.full((1, 3), 1 / 3), atol=1e-4), say(
        f"a content-free text itself comes out as {fair}; calibrated it must be uniform",
        f"无内容文本自己的结果是 {fair}；校准后应当是均匀分布",
    )


def test_classify(submission, base, small, figures):
    """Raw and calibrated choices are those of the grader's own sums."""
    tokenizer = base[1]
    for shots in (SHOTS[1:], SHOTS[:2], []):
        prompts = [prompt_of(shots, text) for text in TEXTS]
        raw = matrix(small, tokenizer, prompts, LABELS)
        empty = matrix(small, tokenizer, [prompt_of(shots, t) for t in CONTENT_FREE], LABELS)
        margin = {False: raw[:, 1] - raw[:, 0]}
        bias = empty.softmax(-1).mean(0).log()
        margin[True] = margin[False] - (bias[1] - bias[0])
        for calibrated, margins in margin.items():
            arguments = (small, tokenizer, shots, list(TEXTS), calibrated)
            got = [int(x) for x in call("classify", submission.classify, *arguments)]
            wanted = [int(x > 0) for x in margins]
            figures["positive_calibrated" if calibrated else "positive_raw"] = sum(got)
            assert got == wanted, say(
                f"with {len(shots)} shots and calibrated={calibrated} the labels are {got}; the "
                f"model's own numbers give {wanted}. The content-free texts stand in the same "
                "prompt, after the same shots",
                f"{len(shots)} 个示例、calibrated={calibrated} 时得到 {got}；"
                f"按模型的数值应为 {wanted}。无内容文本要放进同样的提示，接在同样的示例后面",
            )


def accuracy_of(order) -> float:
    """A made-up accuracy that depends on the order of the shots."""
    return sum((i + 2) * ord(shot["text"][-1]) for i, shot in enumerate(order)) % 41 / 40


def test_order_effects(submission, figures):
    for n in (3, 4):
        shots = [{"text": f"film {i * i}", "label": i % 2} for i in range(n)]
        seen = []

        def evaluate(order, seen=seen):
            seen.append(tuple(shot["text"] for shot in order))
            return accuracy_of(order)

        found = call("order_effects", submission.order_effects, shots, evaluate)
        wanted = sorted(accuracy_of(order) for order in permutations(shots))
        assert len(seen) == len(set(seen)) == len(wanted), say(
            f"{n} shots have {len(wanted)} orders; {len(seen)} were evaluated, "
            f"{len(set(seen))} different ones",
            f"{n} 个示例有 {len(wanted)} 种次序；评估了 {len(seen)} 次，其中不同的有 {len(set(seen))} 种",
        )
        got = sorted(float(a) for a in found.accuracies)
        assert got == pytest.approx(wanted), say(
            f"the accuracies of {n} shots' orders are {got}, not those that evaluate returned",
            f"{n} 个示例各次序的准确率是 {got}，与 evaluate 返回的不同",
        )
        mean, spread = sum(wanted) / len(wanted), wanted[-1] - wanted[0]
        figures |= {"mean": found.mean, "spread": found.spread}
        assert (found.mean, found.spread) == pytest.approx((mean, spread)), say(
            f"mean and spread of {n} shots' orders are {found.mean:.3f} and {found.spread:.3f}; "
            f"the mean is {mean:.3f}, best minus worst {spread:.3f}",
            f"{n} 个示例各次序的平均和波动是 {found.mean:.3f} 和 {found.spread:.3f}；"
            f"平均应为 {mean:.3f}，最好减最差应为 {spread:.3f}",
        )


def test_real_reviews(submission, base, figures):
    """Zero-shot on held-out reviews with the real model, counted by the grader."""
    model, tokenizer = base
    _, held_out = lab.reviews()
    reviews = held_out[:REVIEWS]
    texts = [" ".join(r["text"].split()[:WORDS]) for r in reviews]
    gold = [r["label"] for r in reviews]
    got = [int(x) for x in call("real_reviews", submission.classify, model, tokenizer, [], texts)]
    right = [g == label for g, label in zip(got, gold, strict=True)]
    figures |= {"accuracy": sum(right) / len(right), "said_positive": sum(got) / len(got)}
    assert figures["accuracy"] >= FLOOR, say(
        f"{sum(right)} of {len(right)} held-out reviews are right "
        f"({figures['said_positive']:.0%} were called positive); this model reaches more than "
        f"{FLOOR:.0%} without a single shot",
        f"{len(right)} 条留出评论中对了 {sum(right)} 条（{figures['said_positive']:.0%} 判为正面）；"
        f"这个模型不用任何示例也能超过 {FLOOR:.0%}",
    )
