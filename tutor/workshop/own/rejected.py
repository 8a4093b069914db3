"""Answers that are worse than a true one, each by a fault that small models have."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tutor.workshop.own.material import Agent, Rejected, Scene

_NUMBER = re.compile(r"(?<![\w.\[`-])\d+(?:[.,]\d+)*(?![\w\]`-])")
_NAME = re.compile(r"[A-Za-z]+_\w+|[A-Z][a-z0-9]+[A-Z]\w*|\b[A-Z]{2,}\w*\b")
_MARK = re.compile(r"\s*\[(\d+)\]")
MOST_WORDS = 90
"""Of an answer that is too long: as far as the agent lets the model write."""


def variants(agent: Agent, scene: Scene, answer: str, spare: list[str]) -> Iterator[Rejected]:
    """Yield worse forms of an accepted answer, those only that the agent's checks do refuse.

    spare: sentences of the passages that the answer does not use.
    """
    made = {
        "number": _other_number(scene, answer),
        "name": _other_name(scene, answer),
        "distractor": _other_passage(scene, answer),
        "uncited": _MARK.sub("", answer),
        "long": _too_long(answer, spare),
    }
    for how, text in made.items():
        if text and text != answer and agent.judge(scene, text):
            yield Rejected(how, text)


def _bodies(scene: Scene, cited: set[int]) -> str:
    return "\n".join(p.text for n, p in enumerate(scene.passages, 1) if n not in cited)


def _cited(answer: str) -> set[int]:
    return {int(number) for number in _MARK.findall(answer)}


def _other_number(scene: Scene, answer: str) -> str:
    """Swap a figure for one of another passage, or a plausible other one."""
    found = _NUMBER.search(_MARK.sub(lambda m: "#" * len(m[0]), answer))
    if not found:
        return ""
    # The agent's check finds a number within a longer one too: "4" stands in nearly every passage.
    cited = _cited(answer)
    held = "".join(p.text for n, p in enumerate(scene.passages, 1) if n in cited).replace(",", "")
    doubled = str(2 * int(found[0]) + 1) if found[0].isdigit() else f"{found[0]}5"
    other = [*_NUMBER.findall(_bodies(scene, cited)), doubled, f"{doubled}7"]
    chosen = next((number for number in other if number.replace(",", "") not in held), "")
    return answer[: found.start()] + chosen + answer[found.end() :] if chosen else ""


def _other_name(scene: Scene, answer: str) -> str:
    """Swap a name for one of a passage that the answer does not rest on."""
    own = list(dict.fromkeys(_NAME.findall(answer)))
    other = [n for n in _NAME.findall(_bodies(scene, _cited(answer))) if n not in own]
    asked = [n for n in own if n not in scene.question] or own
    return answer.replace(asked[-1], other[0]) if asked and other else ""


def _other_passage(scene: Scene, answer: str) -> str:
    """Let the marks name a passage that does not say it."""
    cited = _cited(answer)
    other = [n for n in range(len(scene.passages), 0, -1) if n not in cited]
    return _MARK.sub(f" [{other[0]}]", answer) if other else ""


def _too_long(answer: str, spare: list[str]) -> str:
    """Go on with what else stands in the passages, as a small model does."""
    text = answer
    for sentence in spare:
        if len(text.split()) > MOST_WORDS:
            break
        text = f"{text} {sentence}"
    return text
