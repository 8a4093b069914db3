"""A stand-in for the model that reads: it quotes the sentence that shares most with the question.

What a pipeline is graded with: it answers at once, the same on every call, and only from the
passages that are in its prompt. A real model writes better and cites worse.
"""

from __future__ import annotations

import re

_PASSAGE = re.compile(r"^(?:Human: )?(?:\[|Source )(\d+)(?:\]|:) ?", re.MULTILINE)
_QUESTION = re.compile(r"^(?:Question|Query): *(.+)$", re.MULTILINE)
_SENTENCE = re.compile(r"(?<=[.!?:;])\s+|\n+")
_COMMON = re.compile(
    r"\b(?:that|this|with|what|when|which|where|does|from|have|into|than|then|they|them|their|"
    r"there|should|would|will|could|much|many|more|most|some|such|only|same|other|about|after)\b"
)


def read(prompt: str) -> str:
    """Return "<sentence> [n]" from a prompt with passages and a question.

    A passage begins with "[n] " or "Source n:" at the beginning of a line, which may go on with
    where it is from; its text follows below. The question stands after all of them, in a line
    "Question: ..." or "Query: ...". Without either, the answer is a sentence without a mark.
    """
    questions = _QUESTION.findall(prompt)
    if not questions:
        return "I see no question."
    body = prompt[: prompt.rfind(questions[-1])]
    parts = _PASSAGE.split(body)[1:]
    wanted = stems(questions[-1])
    best = max(
        _candidates(parts), key=lambda c: (len(wanted & stems(c[1])), -len(c[1])), default=None
    )
    if best is None:
        return "I see no passages."
    return f"{best[1].rstrip('.:; ')} [{best[0]}]."


def _candidates(parts: list[str]) -> list[tuple[str, str]]:
    found = []
    for number, text in zip(parts[::2], parts[1::2], strict=True):
        lines = text.strip().split("\n", 1)
        sentences = _SENTENCE.split(lines[-1])
        found += [(number, s.strip()) for s in sentences if len(stems(s)) >= 3]
    return found


def stems(text: str) -> set[str]:
    """Return the beginnings, of five letters, of the words that say something."""
    return {word[:5] for word in re.findall(r"[a-z]{4,}", _COMMON.sub(" ", text.lower()))}
