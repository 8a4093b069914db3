"""Criteria of week4/cot: prompts, scoring and interval, with a model that recites known answers
and behaves otherwise when it is asked to think step by step."""

from __future__ import annotations

import random
import statistics

import pytest

from exercises.gap import call
from tutor.base.i18n import say

STEP_BY_STEP = "Let's think step by step."


@pytest.fixture
def problems(submission):
    """Problems of the grader's own, in the learner's type."""
    rng = random.Random(8)
    made = []
    for i in range(24):
        a, b = rng.randint(200, 900), rng.randint(20, 90)
        made.append(submission.Problem(f"Problem {i}: what is {a} minus {b}?",
                                       f"{a} - {b} = {a - b}.", a - b))  # fmt: skip
        made.append(submission.Problem(f"Problem {i}: is {a} more than {a + b - 55}?",
                                       f"{a} - {a + b - 55} = {55 - b}.",
                                       "yes" if b < 55 else "no"))  # fmt: skip
    return made


def test_prompt(submission, problems):
    for n, chain in ((0, False), (0, True), (2, False), (3, True)):
        shots, asked = problems[:n], problems[10]
        got = call("prompt", submission.build_prompt, asked, shots, chain)
        blocks = [
            f"Q: {s.question}\nA: {s.steps + ' ' if chain else ''}The answer is {s.answer}."
            for s in shots
        ]
        wanted = "\n\n".join(
            [*blocks, f"Q: {asked.question}\nA:{' ' + STEP_BY_STEP if chain else ''}"]
        )
        same = next((i for i, (a, b) in enumerate(zip(got, wanted, strict=False)) if a != b),
                    min(len(got), len(wanted)))  # fmt: skip
        assert got == wanted, say(
            f"with {n} shot(s) and chain={chain} the prompt is right up to "
            f"{wanted[max(0, same - 20) : same]!r}; then it goes on {got[same : same + 30]!r} "
            f"instead of {wanted[same : same + 30]!r}",
            f"{n} 个示例、chain={chain} 时，提示到 {wanted[max(0, same - 20) : same]!r} 为止是对的；"
            f"接下来是 {got[same : same + 30]!r}，应为 {wanted[same : same + 30]!r}",
        )


def check(extract, criterion: str, cases: dict) -> None:
    for text, wanted in cases.items():
        got = call(criterion, extract, text)
        assert got == wanted, say(
            f"from {text!r} comes {got!r}; the answer given there is {wanted!r}",
            f"从 {text!r} 中得到 {got!r}；其中给出的答案是 {wanted!r}",
        )


def test_numbers(submission, figures):
    cases = {
        "The answer is 53.": 53,
        "5 boxes hold 5 * 12 = 60 pens. 60 - 7 = 53 pens": 53,
        " 60 - 7 = 53. The answer is 53 pens, out of the 60.": 53,
        "First I thought the answer is 60. But 7 are gone, so the answer is 53.": 53,
        "So the ANSWER IS: -7": -7,
        "It falls to \u22127 degrees.": -7,
        "The answer is 1,234,567.": 1234567,
        "The total is $1,050.75.": 1050.75,
        "The answer is -$12.": -12,
        "12-7=5": 5,
        "The answer is 3.5kg.": 3.5,
        "The answer is 40%.": 40,
        "7 were red and 9 blue. The answer is clear: 16!": 16,
        "I cannot say.": None,
        "": None,
    }
    figures["texts"] = len(cases)
    check(submission.extract_number, "numbers", cases)


def test_yes_no(submission, figures):
    cases = {
        "The answer is yes.": "yes",
        "NO": "no",
        "Ana is taller than Bo, so the answer is: No, she is not. Yes, really.": "no",
        "There is no doubt: yes.": "yes",
        "Nobody in Norway knows.": None,
        "Yesterday it was so.": None,
        "Is it yes or no? I think the answer is **Yes**.": "yes",
        "": None,
    }
    figures["texts"] = len(cases)
    check(submission.extract_yes_no, "yes_no", cases)


def test_continuation(submission):
    """A model that goes on with a question of its own is cut before it."""
    more = "\n\nQ: A hen lays 3 eggs. Is that many? How many are 4 times 3?\nA: The answer is "
    check(submission.extract_number, "continuation", {
        " The answer is 53." + more + "12.": 53, " 60 - 7 = 53" + more + "12.": 53,
        "The FAQ: 5 of 9": 9})  # fmt: skip
    check(submission.extract_yes_no, "continuation", {" The answer is no." + more + "yes.": "no"})


def test_exact_match(submission):
    number, word = (submission.Problem("?", "", answer) for answer in (53, "no"))
    cases = [
        (number, "The answer is 53.", True), (number, "The answer is 53.0 pens", True),
        (number, "The answer is 153.", False), (number, "The answer is 530.", False),
        (number, "53 was my first thought. The answer is 50.", False),
        (number, "The answer is -53.", False), (number, "I give up.", False),
        (number, "The answer is 53.4", False), (number, "", False),
        (word, "The answer is No.", True), (word, "The answer is yes, no doubt.", False),
        (word, "I do not know.", False), (word, "", False),
    ]  # fmt: skip
    for problem, text, wanted in cases:
        got = call("exact_match", submission.is_right, problem, text)
        assert bool(got) is wanted, say(
            f"{text!r} for the answer {problem.answer!r} counts as {'right' if got else 'wrong'}",
            f"正确答案为 {problem.answer!r} 时，{text!r} 被判为{'对' if got else '错'}",
        )


def outcomes(n: int, differ: float) -> tuple[list[bool], list[bool]]:
    """Return right or wrong without and with the chain; a part of the problems differs."""
    rng = random.Random(4)
    direct = [rng.random() < 0.6 for _ in range(n)]
    chain = [(not d if rng.random() < 0.2 else True) if rng.random() < differ else d
             for d in direct]  # fmt: skip
    return direct, chain


def test_paired_bootstrap(submission, figures):
    """Both outcomes of a problem stay together: where they agree, the interval is narrow.

    With a thousand problems the percentiles are those of a normal distribution, nearly; 4,000
    resamples find the width within 2 %, and a 90 % interval is 16 % narrower.
    """
    for n, differ in ((400, 0.1), (1000, 0.5)):
        direct, chain = outcomes(n, differ)
        gains = [int(c) - int(d) for d, c in zip(direct, chain, strict=True)]
        got = call("paired_bootstrap", submission.paired_bootstrap, direct, chain, draws=4000)
        low, high = (float(x) for x in got)
        figures |= {f"low_{n}": low, f"high_{n}": high}
        mean, half = statistics.mean(gains), 1.96 * statistics.stdev(gains) / n**0.5
        ratio = (high - low) / (2 * half)
        assert 0.91 < ratio < 1.09 and abs((low + high) / 2 - mean) < 0.2 * half, say(
            f"for {n} problems your interval is [{low:.3f}, {high:.3f}], {ratio:.2f} times as wide "
            f"as it must be; 1.96 standard errors of the paired differences around their mean are "
            f"[{mean - half:.3f}, {mean + half:.3f}]",
            f"{n} 道题时你的区间是 [{low:.3f}, {high:.3f}]，宽度是应有的 {ratio:.2f} 倍；"
            f"成对差值的平均加减 1.96 个标准误是 [{mean - half:.3f}, {mean + half:.3f}]",
        )
    again = call("paired_bootstrap", submission.paired_bootstrap, direct, chain, draws=4000)
    assert tuple(float(x) for x in again) == (low, high), say(
        f"the same outcomes give {tuple(again)} the second time: fix the seed",
        f"同样的结果第二次得到 {tuple(again)}：请固定随机种子",
    )


class Recites:
    """A model that knows which problems it gets right, with and without the steps."""

    def __init__(self, problems, direct, chain) -> None:
        self.problems, self.right = problems, {False: direct, True: chain}
        self.asked: list[tuple[int, bool, str]] = []

    def __call__(self, prompt: str) -> str:
        question = prompt.rpartition("Q: ")[2].partition("\n")[0]
        index = [p.question for p in self.problems].index(question)
        chain = prompt.endswith(STEP_BY_STEP)
        self.asked.append((index, chain, prompt))
        problem, right = self.problems[index], self.right[chain][index]
        if isinstance(problem.answer, str):
            wrong = "no" if problem.answer == "yes" else "yes"
        else:
            wrong = problem.answer + 1000
        said = problem.answer if right else wrong
        if chain:
            return f" {problem.steps} The answer is {said}.\n\nQ: Is 2 more than 1?\nA: yes 3"
        return f" {said}\n"


def test_compare(submission, problems, figures):
    """Both prompts meet the same problems and the same shots; the counts are true."""
    shots, asked = problems[:4], problems[4:]
    for gain in (0.35, -0.2):
        rng = random.Random(6)
        direct = [rng.random() < 0.4 for _ in asked]
        chain = [d or rng.random() < gain if gain > 0 else d and rng.random() > -2 * gain
                 for d in direct]  # fmt: skip
        model = Recites(asked, direct, chain)
        found = call("compare", submission.compare, model, asked, shots)
        calls = sorted((index, steps) for index, steps, _ in model.asked)
        assert calls == [(i, steps) for i in range(len(asked)) for steps in (False, True)], say(
            f"{len(model.asked)} calls for {len(asked)} problems: each is asked once with the "
            "chain and once without",
            f"{len(asked)} 道题调用了 {len(model.asked)} 次：每道题带思维链问一次、不带问一次",
        )
        without = [i for i, _, prompt in model.asked if shots[0].question not in prompt]
        assert not without, say(
            f"{len(without)} prompts lack the shots: the two prompts may differ in the steps only",
            f"有 {len(without)} 个提示没有示例：两种提示只能在步骤上有差别",
        )
        for name, true in (("direct", direct), ("chain", chain)):
            got = [bool(x) for x in getattr(found, name)]
            figures[f"right_{name}"] = sum(got)
            assert got == true, say(
                f"{name}: {sum(got)} of {len(asked)} counted as right; the model was right on "
                f"{sum(true)}",
                f"{name}：{len(asked)} 道题中判对 {sum(got)} 道；模型实际答对 {sum(true)} 道",
            )
        wanted = (sum(chain) - sum(direct)) / len(asked)
        figures["difference"] = found.difference
        assert found.difference == pytest.approx(wanted), say(
            f"the difference is {found.difference:+.3f}; chain minus direct is {wanted:+.3f}",
            f"difference 是 {found.difference:+.3f}；带思维链减不带应为 {wanted:+.3f}",
        )
        low, high = found.interval
        assert low <= wanted <= high and low < high, say(
            f"the interval [{low:.3f}, {high:.3f}] does not hold the difference {wanted:+.3f}",
            f"区间 [{low:.3f}, {high:.3f}] 不包含差值 {wanted:+.3f}",
        )
