"""What happens while a question is answered: the same events for every face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kb import Passage


@dataclass(frozen=True)
class Thought:
    """Why the next step is taken."""

    text: str


@dataclass(frozen=True)
class ToolCall:
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Observation:
    """What a tool returned. The first one comes before the model is asked anything."""

    passages: tuple[Passage, ...]


@dataclass(frozen=True)
class Token:
    """A piece of the answer, to be shown as it is, citation marks included."""

    text: str


@dataclass(frozen=True)
class Citation:
    """The passage that the mark [number] in the answer stands for."""

    number: int
    passage: Passage


@dataclass(frozen=True)
class ReadOn:
    """Where to read on: a section of a unit's lesson (`unit`), or a document (`url`)."""

    title: str
    unit: str = ""
    url: str = ""


@dataclass(frozen=True)
class Answer:
    """The whole answer.

    covered: whether the sources hold it; if not, `text` says so, `citations` are
    only of what the model said besides, and `nearest` is what to read instead.
    unsupported: the sentences that no passage supports; they bear the mark [?] in `text`.
    read_on: where to read on; None where the answer is not covered.
    own_view: the model's own view, asked for without sources; `text` begins by saying so.
    exercise: the exercise ("week5/lora") whose next hint this is.
    standalone: the question as it was understood, where it was a follow-up.
    session: where it was kept; 0 where it was not.
    """

    question: str
    text: str
    citations: tuple[Citation, ...]
    covered: bool
    seconds: float
    first_token_s: float
    steps: int
    nearest: tuple[Passage, ...] = ()
    unsupported: tuple[str, ...] = ()
    model: str = ""
    read_on: ReadOn | None = None
    own_view: bool = False
    exercise: str = ""
    standalone: str = ""
    session: int = 0


@dataclass(frozen=True)
class Done:
    answer: Answer


Event = Thought | ToolCall | Observation | Token | Citation | Done
