"""Preferences in the learner's record: two answers to a prompt, in the order in which they stood
on the screen, and which of them was chosen.

Every REPEAT_EVERY-th judgement is an earlier pair again, its sides swapped: whoever chooses by
content chooses the same answer again, whoever chooses by place does not. Without such repeats
nobody could say how far the choices can be trusted.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from curriculum.prompts import all_prompts
from tutor.base.i18n import Language

if TYPE_CHECKING:
    from sqlite_utils import Database

Choice = Literal["first", "second", "tie", "skip"]
DECIDED = ("first", "second")
REPEAT_EVERY = 8
REPEAT_AFTER = 4
"""At least so many judgements lie between a pair and its repeat."""


def m004_preferences(db: Database) -> None:
    """preferences: one row a judgement; first and second are the answers as they were shown."""
    columns = {
        "id": int, "at": float, "prompt": str, "first": str, "second": str, "choice": str,
        "model": str, "first_temperature": float, "second_temperature": float, "language": str,
    }  # fmt: skip
    db.table("preferences").create(columns, pk="id", not_null=set(columns) - {"id"})


@dataclass(frozen=True)
class Pair:
    """Two answers of a model to a prompt, in the order shown. language: the prompt's."""

    prompt: str
    first: str
    second: str
    model: str
    first_temperature: float
    second_temperature: float
    language: Language

    def swapped(self) -> Pair:
        return replace(
            self,
            first=self.second,
            second=self.first,
            first_temperature=self.second_temperature,
            second_temperature=self.first_temperature,
        )

    @property
    def key(self) -> tuple[str, frozenset[str]]:
        """The same for the same two answers, however they stand."""
        return self.prompt, frozenset((self.first, self.second))


@dataclass(frozen=True)
class Judgement:
    """A choice between the two answers of a pair, made at a time (seconds since 1970)."""

    pair: Pair
    choice: Choice
    at: float

    @property
    def decided(self) -> bool:
        return self.choice in DECIDED


@dataclass(frozen=True)
class Tally:
    """How many judgements there are.

    pairs: those that name one answer. first: of these, those that name the answer shown first.
    repeats: judgements of a pair that had been judged before.
    """

    judgements: int = 0
    pairs: int = 0
    ties: int = 0
    skips: int = 0
    first: int = 0
    repeats: int = 0

    @property
    def first_share(self) -> float | None:
        """The share of the pairs in which the answer shown first was chosen; None without any."""
        return self.first / self.pairs if self.pairs else None


class Preferences:
    """The judgements in an open record."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def keep(self, pair: Pair, choice: Choice, at: float | None = None) -> None:
        """Keep a judgement; committed when it returns. at: now by default."""
        row = {"at": time.time() if at is None else at, "choice": choice, **asdict(pair)}
        with self.db.atomic():
            self.db.table("preferences").insert(row)

    def all(self) -> list[Judgement]:
        """Return the judgements in the order in which they were made."""
        rows = self.db.query("SELECT * FROM preferences ORDER BY id")
        return [_judgement(row) for row in rows]

    def tally(self) -> Tally:
        kept = self.all()
        choices = Counter(judgement.choice for judgement in kept)
        return Tally(
            judgements=len(kept),
            pairs=choices["first"] + choices["second"],
            ties=choices["tie"],
            skips=choices["skip"],
            first=choices["first"],
            repeats=len(kept) - len({judgement.pair.key for judgement in kept}),
        )

    def following(self, language: Language, dice: random.Random) -> Pair | str:
        """Return what to judge next: an earlier pair again, or the prompt for a new one.

        The prompt is one of the built-in ones that were judged least often in the language.
        """
        kept = self.all()
        if (len(kept) + 1) % REPEAT_EVERY == 0 and (again := _to_repeat(kept)):
            return again
        texts = [prompt.text(language) for prompt in all_prompts()]
        judged = Counter(judgement.pair.prompt for judgement in kept)
        least = min(judged[text] for text in texts)
        return dice.choice([text for text in texts if judged[text] == least])


def _to_repeat(kept: list[Judgement]) -> Pair | None:
    """Return the pair that was judged once, and longest ago, with its sides swapped."""
    times = Counter(judgement.pair.key for judgement in kept)
    for judgement in kept[:-REPEAT_AFTER]:
        if times[judgement.pair.key] == 1 and judgement.choice != "skip":
            return judgement.pair.swapped()
    return None


def _judgement(row: dict[str, Any]) -> Judgement:
    names = Pair.__dataclass_fields__
    return Judgement(Pair(**{name: row[name] for name in names}), row["choice"], row["at"])


def raw(judgements: Iterable[Judgement]) -> list[dict[str, Any]]:
    """Return the judgements as `tutor prefer --raw` writes them, a line each."""
    return [{"at": j.at, "choice": j.choice, **asdict(j.pair)} for j in judgements]


def conversational(judgements: Iterable[Judgement]) -> list[dict[str, Any]]:
    """Return the decided judgements in trl's conversational preference format, a line each:
    prompt, chosen and rejected are lists of messages. Repeats stand there as often as judged."""
    return [_chosen(judgement) for judgement in judgements if judgement.decided]


def _chosen(judgement: Judgement) -> dict[str, Any]:
    pair = judgement.pair if judgement.choice == "first" else judgement.pair.swapped()
    return {
        "prompt": [{"role": "user", "content": pair.prompt}],
        "chosen": [{"role": "assistant", "content": pair.first}],
        "rejected": [{"role": "assistant", "content": pair.second}],
    }
