"""Rows in Alpaca's format for week 8: {"instruction", "input", "output"}, all strings; input is
"" where the instruction needs none (as in about 60 % of Alpaca's own 52,000).

    train, held_out = alpaca_data.rows()
    mine = alpaca_data.read_json("alpaca_data.json")   # a file in the published form

The rows are questions about arguments of the libraries installed here (`lab.instructions`), every
other one put as an instruction with an input. Alpaca's answers were written by a model, these by
the libraries' authors: clean, dry, and of one kind only. No class of the held-out part is in the
training part.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from exercises import lab
from tutor.base.errors import TutorError
from tutor.base.i18n import say

Row = dict[str, str]

NAMES = ("instruction", "input", "output")
SHORTEST, LONGEST = 50, 130
"""Characters of an output: 10 to 35 tokens, so that a step of training is short."""
ASKED = re.compile(r"What does the (`[^`]+`) argument of (`[^`]+`) do\?")


def rows() -> tuple[list[Row], list[Row]]:
    """Return (train, held_out), about 500 and 50 rows; half of each have an input.

    The same on every call with the same libraries; the first takes about 10 s (the docstrings).
    """
    train, held_out = lab.instructions()
    return _rows(train), _rows(held_out)


def read_json(path: Path | str) -> list[Row]:
    """Return the rows of a file that holds one JSON list of them, as Alpaca's is published.

    Raises TutorError where a row lacks a text.
    """
    data = json.loads(Path(path).read_text("utf-8"))
    bad = [
        n
        for n, row in enumerate(data)
        if not isinstance(row, dict) or not all(isinstance(row.get(name), str) for name in NAMES)
    ]
    if bad:
        raise TutorError(
            say(
                f"{path}: row {bad[0]} is not Alpaca's.",
                f"{path}：第 {bad[0]} 行不是 Alpaca 格式。",
            ),
            say("It needs instruction, input and output.", "需要 instruction、input 和 output。"),
        )
    return [{name: row[name] for name in NAMES} for row in data]


def _rows(answers: list[Row]) -> list[Row]:
    short = [a for a in answers if SHORTEST <= len(a["response"]) <= LONGEST]
    short.sort(key=lambda a: hashlib.sha256(a["prompt"].encode()).hexdigest())
    return [_row(answer, with_input=n % 2 == 1) for n, answer in enumerate(short)]


def _row(answer: Row, with_input: bool) -> Row:
    asked = ASKED.fullmatch(answer["prompt"])
    if with_input and asked:
        instruction = "Explain what this argument does."
        return {
            "instruction": instruction,
            "input": f"{asked[1]} of {asked[2]}",
            "output": answer["response"],
        }
    return {"instruction": answer["prompt"], "input": "", "output": answer["response"]}
