"""Quiz cards in the learner's record: when each is due again, and every answer ever given.

The days between two reviews come from FSRS (the fsrs library): a card returns when the chance of
still knowing it has fallen to 0.9. A card that is no longer in the curriculum keeps its rows and
is never asked; one whose text was corrected keeps its due time.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING

from curriculum import quiz
from curriculum.quiz import Card

if TYPE_CHECKING:
    import fsrs
    from sqlite_utils import Database

NEW_A_DAY = 10
AGAIN_AFTER = timedelta(minutes=10)
"""A card that was not known is due again after this; the sitting itself asks it sooner."""


class Rating(IntEnum):
    """How well a card was known; the numbers are FSRS's."""

    AGAIN = 1
    HARD = 2
    GOOD = 3
    EASY = 4

    @classmethod
    def of(cls, right: bool) -> Rating:
        """Rate what the program graded. How long it took does not count."""
        return cls.GOOD if right else cls.AGAIN


def m003_quiz(db: Database) -> None:
    """cards: what FSRS knows of each card that was ever answered. reviews: every answer."""
    db.table("cards").create(
        {"card": str, "state": str, "due": float, "first_at": float, "reviews": int},
        pk="card",
        not_null={"state", "due", "first_at", "reviews"},
    )
    db.table("reviews").create(
        {"id": int, "card": str, "at": float, "rating": int, "answer": str, "seconds": float},
        pk="id",
        foreign_keys=[("card", "cards", "card")],
        not_null={"card", "at", "rating", "answer"},
    )
    db.table("reviews").create_index(["card"])


@dataclass(frozen=True)
class Asked:
    """A card to ask. review: how often it was answered before. due: None for a new one."""

    card: Card
    review: int = 0
    due: float | None = None


@dataclass(frozen=True)
class Counts:
    """A unit's cards. known: those whose last interval is in days, due again or not."""

    cards: int = 0
    due: int = 0
    known: int = 0
    new: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.cards + other.cards,
            self.due + other.due,
            self.known + other.known,
            self.new + other.new,
        )


class Reviews:
    """The quiz in an open record. Times are seconds since 1970; `at` is now by default."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def due(self, cards: Sequence[Card], at: float | None = None) -> list[Asked]:
        """Return those of the cards that are due, the longest overdue first."""
        at = time.time() if at is None else at
        states = self._states()
        found = [
            Asked(card, states[card.key].reviews, states[card.key].due)
            for card in cards
            if card.key in states and states[card.key].due <= at
        ]
        return sorted(found, key=lambda asked: asked.due or 0.0)

    def new(
        self, cards: Sequence[Card], at: float | None = None, a_day: int = NEW_A_DAY
    ) -> list[Asked]:
        """Return the cards never answered, in their order, as many as today's share leaves."""
        at = time.time() if at is None else at
        states = self._states()
        today = sum(state.first_at >= _midnight(at) for state in states.values())
        unseen = [Asked(card) for card in cards if card.key not in states]
        return unseen[: max(a_day - today, 0)]

    def queue(
        self, unit: str = "", week: int = 0, at: float | None = None, a_day: int = NEW_A_DAY
    ) -> list[Asked]:
        """Return what to ask now: due cards, then new ones.

        Without a unit, due cards come from everywhere, but new ones only from units that the
        learner has begun or, by the setting `week`, is in: nobody is asked what is weeks ahead.
        """
        at = time.time() if at is None else at
        asked = quiz.cards(unit) if unit else quiz.all_cards()
        begun = {unit} if unit else self._units_begun(week)
        fresh = [card for card in asked if card.unit in begun]
        return [*self.due(asked, at), *self.new(fresh, at, a_day)]

    def review(
        self,
        card: Card,
        rating: Rating,
        at: float | None = None,
        *,
        answer: str = "",
        seconds: float | None = None,
    ) -> float:
        """Keep an answer and return when the card is due again; committed when it returns.

        answer: what the learner said. seconds: how long it took; kept, never graded.
        """
        at = time.time() if at is None else at
        self.db.conn.execute("BEGIN IMMEDIATE")  # two faces may answer at the same time
        with self.db.conn:
            before = self._states(card.key).get(card.key)
            state, due = _reviewed(before.state if before else None, card.key, rating, at)
            first_at, reviews = (before.first_at, before.reviews) if before else (at, 0)
            row = {
                "card": card.key,
                "state": state,
                "due": due,
                "first_at": first_at,
                "reviews": reviews + 1,
            }
            self.db.table("cards").upsert(row, pk="card")
            self.db.table("reviews").insert(
                {
                    "card": card.key,
                    "at": at,
                    "rating": int(rating),
                    "answer": answer,
                    "seconds": seconds,
                }
            )
        return due

    def counts(self, at: float | None = None) -> dict[str, Counts]:
        """Count the cards of each unit that has some."""
        at = time.time() if at is None else at
        states = self._states()
        counts: dict[str, Counts] = {}
        for card in quiz.all_cards():
            state = states.get(card.key)
            one = Counts(
                1,
                due=int(state is not None and state.due <= at),
                known=int(state is not None and state.known),
                new=int(state is None),
            )
            counts[card.unit] = counts.get(card.unit, Counts()) + one
        return counts

    def next_due(self, cards: Sequence[Card], at: float | None = None) -> float | None:
        """Return when the next of the cards becomes due, or None where none is out."""
        at = time.time() if at is None else at
        keys = {card.key for card in cards}
        later = [s.due for key, s in self._states().items() if key in keys and s.due > at]
        return min(later, default=None)

    def _states(self, key: str = "") -> dict[str, _State]:
        where, values = ("WHERE card = ?", [key]) if key else ("", [])
        rows = self.db.execute(
            "SELECT card, state, due, first_at, reviews, "
            f"json_extract(state, '$.state') = 2 FROM cards {where}",  # 2: FSRS's Review
            values,
        )
        return {
            card: _State(state, due, first_at, reviews, bool(known))
            for card, state, due, first_at, reviews, known in rows
        }

    def _units_begun(self, week: int) -> set[str]:
        """Units whose lesson was read, or one of whose exercises was opened or checked."""
        from curriculum import ORDER

        rows = self.db.execute(
            "SELECT subject FROM events WHERE kind IN ('lesson', 'open', 'run', 'hint') "
            "UNION SELECT exercise FROM checks"
        )
        return {subject.partition("/")[0] for (subject,) in rows} | {*ORDER[week : week + 1]}


@dataclass(frozen=True)
class _State:
    """A row of `cards`. state: FSRS's own, as its JSON."""

    state: str
    due: float
    first_at: float
    reviews: int
    known: bool


def _reviewed(state: str | None, key: str, rating: Rating, at: float) -> tuple[str, float]:
    """Return a card's FSRS state after a review, and when it is due."""
    import fsrs

    now = datetime.fromtimestamp(at, UTC)
    if state is None:
        # fsrs wants a number; left to itself it takes the clock and sleeps.
        card = fsrs.Card(card_id=zlib.crc32(key.encode()), due=now)
    else:
        card = fsrs.Card.from_json(state)
    card, _ = _scheduler().review_card(card, fsrs.Rating(int(rating)), now)
    return card.to_json(), card.due.timestamp()


@cache
def _scheduler() -> fsrs.Scheduler:
    """One learning step, not fsrs's two: a card known at first sight comes back in days, not in
    ten minutes, because people open this once a day. No fuzz: the log alone gives the state."""
    import fsrs

    return fsrs.Scheduler(
        learning_steps=(AGAIN_AFTER,), relearning_steps=(AGAIN_AFTER,), enable_fuzzing=False
    )


def _midnight(at: float) -> float:
    """Return when the learner's day began."""
    return datetime.fromtimestamp(at).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
