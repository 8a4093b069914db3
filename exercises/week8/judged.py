"""Raw judgements for week 8, as `tutor prefer --raw` writes them, by a simulated judge whose
faults are known:

    rows = judged.simulate(240, seed=1, position=0.8, length=0.6)

Each row is two answers to a prompt in the order shown, and a choice: "first", "second", "tie" or
"skip". The judge prefers the better answer, but also the one shown first (`position`) and the
longer one (`length`), and is not sure. Some answers are empty, or the same twice; each fifth
judgement is an earlier pair again, mostly with its sides swapped; and prompts are not always typed
the same way. Real people are not as simple: what `tutor prefer` collects is the real thing.
"""

from __future__ import annotations

import math
import random
from typing import Any

from curriculum.prompts import all_prompts
from tutor.base.i18n import detect
from tutor.progress.preferences import DECIDED, Choice, Judgement, Pair, raw

Row = dict[str, Any]

PROMPTS = 24
REPEAT = 5
SENTENCES = (
    "Attention weighs every position by how well its key fits the query.",
    "It depends.",
    "A small model says this with more confidence than knowledge.",
    "Start with the data, not with the learning rate.",
    "The rank limits what the update can say.",
    "Short answers are easier to check.",
    "That question has been asked since the first language models, and no answer has lasted.",
    "Measure it on examples that were held out.",
    "因为每个位置都要看见其他位置。",
    "先看数据，再调学习率，最后才考虑换更大的模型。",
    "我不知道。",
    "检索到的段落越相关，编造的余地就越小。",
)
_DAY_ONE = 1_760_000_000.0


def simulate(
    count: int = 240, *, seed: int = 0, position: float = 0.8, length: float = 0.6
) -> list[Row]:
    """Return so many raw judgements in the order in which they were made; the same for the same
    arguments.

    position: log-odds that the first place adds. length: those that 100 characters more add.
    """
    dice = random.Random(f"judged {seed}")
    worth: dict[str, float] = {}
    made: list[Judgement] = []
    for number in range(count):
        again = number % REPEAT == REPEAT - 1
        pair = _again(dice.choice(made).pair, dice) if again else _new(dice)
        choice = _choice(pair, worth, position, length, dice)
        made.append(Judgement(pair, choice, _DAY_ONE + 40.0 * number))
    return raw(made)


def _new(dice: random.Random) -> Pair:
    prompt = dice.choice(all_prompts()[:PROMPTS])
    text = _typed(dice.choice((prompt.en, prompt.zh)), dice)
    first, second = (_answer(dice) for _ in range(2))
    if dice.random() < 0.03:
        second = f" {first}\n"
    temperatures = dice.sample((0.6, 1.0), 2)
    return Pair(text, first, second, "simulated", *temperatures, detect(text))


def _typed(prompt: str, dice: random.Random) -> str:
    """The prompt as somebody may type it: blanks and capitals vary."""
    if dice.random() < 0.15:
        return prompt.lower()
    return f" {prompt.replace(' ', '  ', 1)}" if dice.random() < 0.15 else prompt


def _answer(dice: random.Random) -> str:
    if dice.random() < 0.03:
        return dice.choice(("", "  \n"))
    return " ".join(dice.sample(SENTENCES, dice.randint(1, 4)))


def _again(pair: Pair, dice: random.Random) -> Pair:
    return pair.swapped() if dice.random() < 0.7 else pair


def _choice(
    pair: Pair, worth: dict[str, float], position: float, length: float, dice: random.Random
) -> Choice:
    if dice.random() < 0.05:
        return "skip"
    for answer in (pair.first, pair.second):
        worth.setdefault(answer.strip(), dice.gauss(0, 1) if answer.strip() else -4.0)
    better = worth[pair.first.strip()] - worth[pair.second.strip()]
    longer = (len(pair.first) - len(pair.second)) / 100
    odds = better + position + length * longer
    if abs(odds) < 0.3 and dice.random() < 0.6:
        return "tie"
    return DECIDED[dice.random() > 1 / (1 + math.exp(-odds))]
