"""Criteria of week4/icl: the experiment is checked with classifiers whose answers are known, and
then run once with the real model."""

from __future__ import annotations

import random
import re
import statistics
from itertools import pairwise

import pytest

from exercises.gap import call
from tutor.base.i18n import say

LABELS = (" A", " B")
SIZES, GAIN = (0, 2, 16), 0.2  # shots of the curve, least rise of the accuracy
ANIMALS = "dog cat horse cow pig sheep goat lion tiger bear wolf fox rabbit mouse deer monkey"
COUNTRIES = (
    "France Japan Brazil Egypt Canada Norway Peru Kenya India Spain Italy Greece Chile Cuba Nepal "
    "Mexico"
)
POOL = [(w, 0) for w in ANIMALS.split()] + [(w, 1) for w in COUNTRIES.split()]
TEST = [*POOL[:4], *POOL[-4:]]
TRAIN = [item for item in POOL if item not in TEST]


def items(got) -> list[tuple[str, int]]:
    return [(word, int(label)) for word, label in got]


def count(chosen, label: int) -> int:
    return sum(item[1] == label for item in chosen)


def test_split(submission, figures):
    """No word in both parts, the same number of each class in the test, nothing lost."""
    seen = []
    for seed in (0, 0, 1, 2):
        got = call("split", submission.split, POOL, test_per_class=5, seed=seed)
        train, test = items(got[0]), items(got[1])
        both = sorted({w for w, _ in train} & {w for w, _ in test})
        figures["in_both"] = len(both)
        assert not both, say(
            f"{len(both)} words are in train and test, {both and both[0]!r} among them: the answer "
            "may stand in the prompt",
            f"有 {len(both)} 个词同时在 train 和 test 中，例如 {both and both[0]!r}：答案可能就写在提示里",
        )
        numbers = (count(test, 0), count(test, 1), len(train) + len(test))
        assert numbers == (5, 5, len(POOL)), say(
            f"test has {numbers[0]} and {numbers[1]} items of the two classes, and {numbers[2]} "
            f"items remain in all; it must be 5, 5 and {len(POOL)}",
            f"test 中两类各有 {numbers[0]} 和 {numbers[1]} 个，两部分合计 {numbers[2]} 个；"
            f"应为 5、5 和 {len(POOL)}",
        )
        seen.append(sorted(test))
    assert seen[0] == seen[1] and seen[0] != seen[2], say(
        "the same seed must give the same test items, and another seed others",
        "同一个种子应得到同样的测试项，换一个种子则应不同",
    )


def test_draw(submission, figures):
    """k items of train, balanced, mixed, the same for the same seed."""
    extra = []
    for k in (0, 1, 2, 3, 8, 16):
        draws = [items(call("draw", submission.draw_shots, TRAIN, k, seed)) for seed in range(12)]
        for shots in draws:
            numbers = (len(shots), len(set(shots)), abs(count(shots, 0) - count(shots, 1)))
            assert numbers == (k, k, k % 2) and set(shots) <= set(TRAIN), say(
                f"for k={k} there are {numbers[0]} shots, {numbers[1]} different ones, and the "
                f"classes differ by {numbers[2]}; all must be of train, different and balanced",
                f"k={k} 时有 {numbers[0]} 个示例，其中不同的 {numbers[1]} 个，两类数量相差 {numbers[2]}；"
                "应全部来自 train、互不相同、两类均衡",
            )
        if k % 2:
            extra += [count(shots, 1) > k // 2 for shots in draws]
        if k < 8:
            continue
        again = items(call("draw", submission.draw_shots, TRAIN, k, 3))
        assert again == draws[3] and draws[3] != draws[4], say(
            f"for k={k} the same seed must draw the same shots in the same order, another seed "
            "others",
            f"k={k} 时，同一个种子应抽到同样的示例、同样的次序，换一个种子则应不同",
        )
        changes = [sum(a[1] != b[1] for a, b in pairwise(s)) for s in draws]
        figures[f"label_changes_{k}"] = statistics.mean(changes)
        blocks = sum(n == 1 for n in changes)
        alternating = sum(n == k - 1 for n in changes)
        assert max(blocks, alternating) < 6, say(
            f"in {max(blocks, alternating)} of 12 draws of {k} shots the labels follow a pattern "
            f"({'one class after the other' if blocks > alternating else 'in turns'}): the model "
            "would read the order, not the words",
            f"12 次抽取 {k} 个示例，有 {max(blocks, alternating)} 次标签成规律"
            f"（{'先一类后另一类' if blocks > alternating else '两类交替'}）：模型会去学次序，而不是学词",
        )
    assert 0 < sum(extra) < len(extra), say(
        f"for an odd k one class always has the more shots ({sum(extra)} of {len(extra)} times "
        "class 1): that is a bias",
        f"k 为奇数时总是同一类多一个（{len(extra)} 次里有 {sum(extra)} 次是第 1 类）：这是偏差",
    )


class Known:
    """A classifier that is right on the words whose place is below 2 + number of shots (at most
    all), on one less after some draws, and remembers how it was asked."""

    def __init__(self, truth: dict[str, int]) -> None:
        self.truth, self.calls = truth, []

    def __call__(self, shots, words):
        shots, words = items(shots), list(words)
        less = sum(map(ord, "".join(word for word, _ in shots))) % 2
        good = 2 + len(shots) - less
        found = [self.truth[w] if i < good else 1 - self.truth[w] for i, w in enumerate(words)]
        self.calls.append((shots, words, found))
        return found

    def accuracies(self, k: int) -> list[float]:
        return [
            sum(f == self.truth[w] for f, w in zip(found, words, strict=True)) / len(words)
            for shots, words, found in self.calls
            if len(shots) == k
        ]


def test_measure(submission, figures):
    """Every size with every seed, the same test each time, no test word among the shots."""
    predict = Known(dict(POOL))
    sizes, seeds = (0, 3, 6), (3, 4, 5, 6, 7)
    points = call("measure", submission.measure, predict, TRAIN, TEST, sizes=sizes, seeds=seeds)
    figures["calls"] = len(predict.calls)
    tested = {tuple(sorted(words)) for _, words, _ in predict.calls}
    assert tested == {tuple(sorted(word for word, _ in TEST))}, say(
        f"{len(tested)} different sets of words were asked, of {sorted(map(len, tested))} words: "
        f"each draw must meet the same {len(TEST)} test words",
        f"问过 {len(tested)} 组不同的词，各有 {sorted(map(len, tested))} 个：每次都应测同样的 {len(TEST)} 个词",
    )
    leaked = {w for shots, _, _ in predict.calls for w, _ in shots} & {w for w, _ in TEST}
    assert not leaked, say(
        f"test words stand among the shots: {sorted(leaked)}",
        f"示例中出现了测试词：{sorted(leaked)}",
    )
    drawn = {k: {tuple(s) for s, _, _ in predict.calls if len(s) == k} for k in sizes}
    assert [len(drawn[k]) for k in sizes] == [1, *(len(seeds) for k in sizes[1:])], say(
        f"for k={sizes} there were {[len(drawn[k]) for k in sizes]} different draws: each of the "
        f"{len(seeds)} seeds draws its own shots",
        f"k={sizes} 时分别有 {[len(drawn[k]) for k in sizes]} 种抽取：{len(seeds)} 个种子应各抽各的",
    )
    for k, point in zip(sizes, points, strict=True):
        wanted = predict.accuracies(k)
        mean = statistics.mean(wanted)
        got = [float(a) for a in point.accuracies]
        listed = got if k else got[: len(wanted)]  # without shots one call would do
        assert point.k == k and listed == pytest.approx(wanted) and set(got) <= set(wanted), say(
            f"for k={k} the accuracies are {got}; counted from the classifier's answers they are "
            f"{wanted}",
            f"k={k} 时准确率是 {got}；按分类器的回答应为 {wanted}",
        )
        assert point.mean == pytest.approx(mean), say(
            f"for k={k} the mean is {point.mean:.4f}, not {mean:.4f}",
            f"k={k} 时平均值是 {point.mean:.4f}，应为 {mean:.4f}",
        )
        assert len(got) == len(seeds), say(
            f"for k={k} there are {len(got)} accuracies for {len(seeds)} seeds",
            f"k={k} 时有 {len(got)} 个准确率，而种子有 {len(seeds)} 个",
        )


def test_standard_error(submission, figures):
    for values in ([0.5, 0.75], [0.5, 0.6, 0.8, 0.9, 0.7], [0.25] * 4):
        got = float(call("standard_error", submission.standard_error, values))
        figures["error"] = got
        wanted = statistics.stdev(values) / len(values) ** 0.5
        assert got == pytest.approx(wanted, abs=1e-9), say(
            f"for {values} the standard error is {wanted:.4f} (n - 1 degrees of freedom, divided "
            f"by the root of n); you have {got:.4f}",
            f"{values} 的标准误是 {wanted:.4f}（自由度 n - 1，再除以 n 的平方根）；你得到 {got:.4f}",
        )


def resampled(values, draws=20_000) -> list[float]:
    rng = random.Random(99)
    return sorted(statistics.fmean(rng.choices(values, k=len(values))) for _ in range(draws))


def test_bootstrap(submission, figures):
    """Percentiles of resampled means: compared with the grader's own 20,000 resamples."""
    rng = random.Random(5)
    for n in (6, 40):
        values = [round(rng.uniform(0.4, 1) ** 2, 3) for _ in range(n)]
        low, high = call("bootstrap", submission.bootstrap, values, draws=4000)
        figures |= {f"low_{n}": low, f"high_{n}": high}
        means = resampled(values)
        wanted = (means[500], means[19_499])
        width = wanted[1] - wanted[0]
        off = max(abs(low - wanted[0]), abs(high - wanted[1])) / width
        assert off < 0.08, say(
            f"for {n} values your interval is [{low:.3f}, {high:.3f}]; 20,000 resamples give "
            f"[{wanted[0]:.3f}, {wanted[1]:.3f}]",
            f"{n} 个数时你的区间是 [{low:.3f}, {high:.3f}]；重采样 20,000 次得到 "
            f"[{wanted[0]:.3f}, {wanted[1]:.3f}]",
        )
    again = call("bootstrap", submission.bootstrap, values, draws=4000)
    assert tuple(again) == (low, high), say(
        f"the same values give {tuple(again)} the second time: fix the seed",
        f"同样的数第二次得到 {tuple(again)}：请固定随机种子",
    )


def test_plot(submission, figures):
    points = [
        submission.Point(k, [m, m], m, 0.0, (m, m)) for k, m in ((0, 0.5), (4, 0.725), (16, 1.0))
    ]
    for width in (40, 20):
        text = call("plot", submission.draw_plot, points, width)
        lines = [line for line in text.splitlines() if "#" in line]
        assert len(lines) == len(points), say(
            f"{len(lines)} lines have a bar; {len(points)} points were given",
            f"有 {len(lines)} 行画了条，而给出的点有 {len(points)} 个",
        )
        for line, point in zip(lines, points, strict=True):
            bar = line.count("#")
            figures["bar"] = bar
            assert abs(bar - point.mean * width) <= 0.5, say(
                f"a mean of {point.mean} has a bar of {bar} at width {width}; the bar starts at 0 "
                f"and is {point.mean * width:g} long",
                f"宽度 {width} 时，平均值 {point.mean} 的条长 {bar}；应从 0 画起，长 {point.mean * width:g}",
            )
            numbers = [float(x) for x in re.findall(r"\d+(?:\.\d+)?", line)]
            shown = any(abs(x - point.mean) < 0.006 for x in numbers) and point.k in numbers
            assert shown, say(
                f"the line {line!r} does not show k = {point.k} and the mean {point.mean:.2f}",
                f"{line!r} 这一行没有写出 k = {point.k} 和平均值 {point.mean:.2f}",
            )


def real_predict():
    """The real model's choice of the next token, the shots read once for all words."""
    import torch

    from exercises import lab

    model, tokenizer = lab.load_base()
    model.eval()
    encode = lambda text: tokenizer(text, add_special_tokens=False)["input_ids"]  # noqa: E731
    first = [encode(label)[0] for label in LABELS]

    @torch.no_grad()
    def predict(shots, words):
        text = "".join(f"{word} ->{LABELS[label]}\n" for word, label in shots)
        rows = [encode(f"{word} ->") for word in words]
        ids = torch.tensor([row + [0] * (max(map(len, rows)) - len(row)) for row in rows])
        mask = torch.tensor([[1] * len(r) + [0] * (ids.shape[1] - len(r)) for r in rows])
        cache = None
        if text:
            prefix = torch.tensor([encode(text)])
            cache = model(prefix, use_cache=True).past_key_values
            cache.batch_repeat_interleave(len(rows))
            mask = torch.cat([mask.new_ones(len(rows), prefix.shape[1]), mask], 1)
        logits = model(ids, attention_mask=mask, past_key_values=cache).logits
        ends = torch.tensor([len(row) - 1 for row in rows])
        return logits[torch.arange(len(rows)), ends][:, first].argmax(-1).tolist()

    return predict


def test_curve(submission, figures):
    """The real model learns the made-up classes from the shots, and from nothing else."""
    # Before the model, which takes seconds to load: a gap is said at once.
    train, test = call("curve", submission.split, POOL, test_per_class=8, seed=1)
    answer, calls = real_predict(), []

    def predict(shots, words):
        found = answer(items(shots), list(words))
        calls.append((len(shots), list(words), found))
        return found

    points = call(
        "curve", submission.measure, predict, train, test, sizes=SIZES, seeds=(0, 1, 2, 3)
    )
    truth, counted = dict(POOL), {}
    for k, words, found in calls:
        right = sum(f == truth[w] for f, w in zip(found, words, strict=True)) / len(words)
        counted.setdefault(k, []).append(right)
    for point in points:
        own = statistics.mean(counted.get(point.k, [0.0]))
        figures[f"accuracy_{point.k}"] = own
        assert point.mean == pytest.approx(own), say(
            f"for k={point.k} you report {point.mean:.3f}; the model's answers are right in "
            f"{own:.3f}",
            f"k={point.k} 时你报告 {point.mean:.3f}；按模型的回答应为 {own:.3f}",
        )
    gain = figures[f"accuracy_{SIZES[-1]}"] - figures[f"accuracy_{SIZES[0]}"]
    assert gain >= GAIN, say(
        f"from {SIZES[0]} to {SIZES[-1]} shots the accuracy changes by {gain:+.2f}; with shots "
        f"that carry their true labels in mixed order it rises by more than {GAIN}",
        f"从 {SIZES[0]} 到 {SIZES[-1]} 个示例，准确率变化 {gain:+.2f}；示例标签正确、次序打乱时应上升超过 {GAIN}",
    )
