"""What training data is made of, and what its making asks of the agent, which lies above.

No question file is read: questions come from lessons, glossary, quiz cards and passages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from kb import Passage
from tutor.base.i18n import Language
from tutor.engine import Message

Fault = Literal["", "empty", "refused", "unsupported", "uncited", "miscited", "long"]
"""What an answer is not shown as it is for; "" where there is nothing against it."""

REFUSAL: dict[Language, str] = {"en": "The passages do not say.", "zh": "资料中没有提到。"}
"""What the agent's writer takes for "not covered". Its prompt does not offer it."""


@dataclass(frozen=True)
class Scene:
    """What the model has before it when it decides, or writes.

    decide: the messages that ask for a step; asks: whether the agent asks for one here.
    """

    question: str
    lang: Language
    passages: tuple[Passage, ...]
    decide: list[Message]
    write: list[Message]
    asks: bool


class Agent(Protocol):
    """The tutor's agent as the data are made with it: its search, its prompts, its checks."""

    def gather(self, question: str, lang: Language) -> Scene | None:
        """Return the scene of the first step; None where no model is asked: a tool answers, or a
        name is in no source."""

    def scene(self, question: str, lang: Language, passages: Sequence[int]) -> Scene:
        """Return the scene of a question and the passages of these ids."""

    def after(self, scene: Scene, step: dict[str, str | int]) -> Scene:
        """Return the scene that a search or a reading on leads to."""

    def bare(self, scene: Scene, sentence: str) -> Scene:
        """Return the scene with other passages in place of those that support the sentence."""

    def support(self, scene: Scene, sentence: str) -> int | None:
        """Return the index of the passage that supports the sentence best."""

    def judge(self, scene: Scene, text: str) -> Fault:
        """Tell what an answer, as the model writes it, is at fault for."""

    def valid(self, scene: Scene, reply: str) -> bool:
        """Tell whether a reply is one of the steps on offer."""


@dataclass(frozen=True)
class Candidate:
    """A question, and what answers it.

    answer: sentences without marks; empty where they are to be found among what the search brings,
    by `term`. passage: the id of the passage that they stand in; 0: none is known. group: what goes
    to training, or is held out, together. near: words to search with where the question's own do
    not find the passage.
    """

    kind: str
    question: str
    lang: Language
    answer: tuple[str, ...]
    group: str
    passage: int = 0
    term: str = ""
    near: str = ""


@dataclass(frozen=True)
class Rejected:
    """An answer worse than the chosen one, and how it was made."""

    how: str
    text: str


@dataclass(frozen=True)
class Example:
    """One question with its prompts and what the model is to write.

    decide, step: the prompt for a decision and the decision; None where none is asked for.
    write, answer: the prompt for the answer, and the answer with its marks.
    """

    kind: str
    lang: Language
    question: str
    group: str
    write: list[Message]
    answer: str
    decide: list[Message] | None = None
    step: str = ""
    rejected: tuple[Rejected, ...] = ()
    sources: tuple[str, ...] = ()
    """Of the passages that the answer cites; their licences go into the lineage."""
    passages: tuple[int, ...] = ()
    """The ids of those in the prompt, in its order."""
