"""Preference pairs for week 8: rows {"prompt", "chosen", "rejected", "kind"}, made from the
docstrings of the libraries installed here, or read from a jsonl file of the learner's own.

    train, held_out = preference_data.pairs()
    mine = preference_data.read_jsonl("pairs.jsonl")   # {"prompt", "chosen", "rejected"} a line

What they are, honestly. Nobody was asked: a rule says which answer is better, and the rule is
always right. chosen is the docstring's own text on an argument (`lab.instructions`); rejected is
one of three faults, a third of the pairs each:

    other   the docstring of another argument, as near in length as there is one
    padded  the right text, and then, unasked, that of another argument
    cut     the right text, broken off in the middle

So "other" is equally long on average, "padded" too long and "cut" too short: who always takes the
shorter or always the longer answer is right half of the time. Real preferences are noisier, and
what a model learns here is this rule, not what people like.
No class of the held-out part is in the training part, not in a rejected answer either.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from exercises import lab
from tutor.base.errors import TutorError
from tutor.base.i18n import say

Row = dict[str, str]

KINDS = ("other", "padded", "cut")
SHORTEST, LONGEST = 60, 130
"""Characters of the docstring's text: 12 to 35 tokens, so that a step of training is short."""
TRAIN, HELD_OUT = 240, 48


def pairs() -> tuple[list[Row], list[Row]]:
    """Return (train, held_out): 240 and 48 rows, as many of each kind, the kinds in turn.

    The same on every call with the same libraries; the first takes about 10 s (the docstrings).
    """
    train, held_out = lab.instructions()
    return _rows(train, TRAIN), _rows(held_out, HELD_OUT)


def read_jsonl(path: Path | str) -> list[Row]:
    """Return the rows of a file with one JSON object a line: "prompt", "chosen" and "rejected",
    strings that are not empty, or lists with one message each, as `tutor prefer --export` writes
    them; what else a line holds is left out.

    Raises TutorError with the line's number where one is something else, or says the same twice.
    """
    rows = []
    for number, line in enumerate(Path(path).read_text("utf-8").split("\n"), 1):
        if line.strip():
            rows.append(_checked(line, f"{path}:{number}"))
    if not rows:
        raise TutorError(say(f"{path} holds no pair.", f"{path} 中没有任何偏好对。"))
    return rows


def _checked(line: str, where: str) -> Row:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    names = ("prompt", "chosen", "rejected")
    row = {name: _text(row.get(name)) for name in names} if isinstance(row, dict) else {}
    if not all(row.get(name, "").strip() for name in names):
        raise TutorError(
            say(f"{where} is not a preference pair.", f"{where} 不是偏好对。"),
            say(
                'A line is {"prompt": "…", "chosen": "…", "rejected": "…"}, all of them text.',
                '每行应为 {"prompt": "…", "chosen": "…", "rejected": "…"}，三者都是文本。',
            ),
        )
    if row["chosen"].strip() == row["rejected"].strip():
        raise TutorError(
            say(f"{where}: both answers are the same.", f"{where}：两个回答相同。"),
            say("Leave the line out: it says nothing.", "请删去这一行：它不含任何信息。"),
        )
    return row


def _text(said: object) -> str:
    """Return the text of a string, or of a conversation of one message; "" for anything else."""
    if isinstance(said, list) and len(said) == 1 and isinstance(said[0], dict):
        said = said[0].get("content")
    return said if isinstance(said, str) else ""


def _rows(answers: list[Row], count: int) -> list[Row]:
    short = [a for a in answers if SHORTEST <= len(a["response"]) <= LONGEST]
    short.sort(key=lambda a: _hash(a["prompt"]))
    return [_row(a, short, KINDS[n % len(KINDS)]) for n, a in enumerate(short[:count])]


def _row(answer: Row, pool: list[Row], kind: str) -> Row:
    right = answer["response"]
    others = [a["response"] for a in pool if a["response"] != right and not _alike(a, answer)]
    # By length first, then by a hash: no place in the alphabet is preferred.
    other = min(others, key=lambda text: (abs(len(text) - len(right)), _hash(text + right)))
    words = right.split()
    rejected = {
        "other": other,
        "padded": f"{right.rstrip('.')}. {other}",
        "cut": " ".join(words[: len(words) // 2]),
    }[kind]
    return {"prompt": answer["prompt"], "chosen": right, "rejected": rejected, "kind": kind}


def _alike(one: Row, two: Row) -> bool:
    """Whether both are asked of an argument of the same name: its text may be right for both."""
    return one["prompt"].split("`")[1] == two["prompt"].split("`")[1]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
