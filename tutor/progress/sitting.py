"""One sitting at the quiz, whatever face it has: whose turn it is, grading, and the words for it."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from curriculum.quiz import Choice, Number, Recall
from tutor.base.i18n import say
from tutor.progress.reviews import Asked, Rating

UNKNOWN = "?"
"""What a learner answers who does not know: graded as wrong, and better than a guess."""


class Sitting:
    """The cards of one sitting, in turn; one that was not known comes again at its end."""

    def __init__(self, queue: Sequence[Asked], count: int | None = None) -> None:
        """count: the most different cards to ask; None: all."""
        self._left = list(queue[:count])
        self.answered = 0
        self.right = 0

    @property
    def left(self) -> int:
        return len(self._left)

    @property
    def current(self) -> Asked | None:
        return self._left[0] if self._left else None

    def take(self, rating: Rating) -> None:
        """Go on to the next card after the current one's answer."""
        asked = self._left.pop(0)
        self.answered += 1
        if rating is Rating.AGAIN:
            self._left.append(replace(asked, review=asked.review + 1))
        else:
            self.right += 1


def grade(asked: Asked, typed: str) -> bool | None:
    """Grade what was typed for a Choice (a position from 1) or a Number; None where it is no
    answer to such a card, and so is to be asked for again."""
    card, typed = asked.card, _plain(typed)
    if typed == UNKNOWN:
        return False
    if isinstance(card, Choice):
        chosen = option_at(asked, typed)
        return None if chosen is None else chosen == card.right
    return card.accepts(typed) if isinstance(card, Number) else None


def option_at(asked: Asked, typed: str) -> int | None:
    """Return the index of the option that stands at a typed position, from 1."""
    card, typed = asked.card, _plain(typed)
    if not (isinstance(card, Choice) and typed.isascii() and typed.isdigit()):
        return None
    order = card.order(asked.review)
    return order[int(typed) - 1] if 1 <= int(typed) <= len(order) else None


def kept(asked: Asked, typed: str) -> str:
    """Return an answer as the record keeps it: of a choice its text, because positions change."""
    chosen = option_at(asked, typed)
    if chosen is not None and isinstance(asked.card, Choice):
        return asked.card.options[chosen].en
    return typed.strip()


def solution(asked: Asked) -> str:
    """Return what would have been right, in a line."""
    card = asked.card
    if isinstance(card, Choice):
        place = card.order(asked.review).index(card.right) + 1
        return f"{place}  {card.options[card.right]}"
    return str(card.answer) if isinstance(card, Recall) else plain_number(card.number)


def rating_of(typed: str) -> Rating | None:
    """Read the learner's own rating, 1 to 4; "?" is not knowing."""
    typed = _plain(typed)
    if typed == UNKNOWN:
        return Rating.AGAIN
    return Rating(int(typed)) if typed in ("1", "2", "3", "4") else None


def plain_number(number: float) -> str:
    """Write a number as people do: 73,728 and 0.0025."""
    return f"{int(number):,}" if number == int(number) and abs(number) < 1e15 else f"{number:g}"


def rating_name(rating: Rating) -> str:
    return {
        Rating.AGAIN: say("not known", "不会"),
        Rating.HARD: say("hard", "吃力"),
        Rating.GOOD: say("good", "记得"),
        Rating.EASY: say("easy", "轻松"),
    }[rating]


def span(seconds: float) -> str:
    """Say how long it is until a card is due, in its largest unit."""
    minutes = max(round(seconds / 60), 1)
    if minutes < 60:
        return say(f"{minutes} min", f"{minutes} 分钟")
    hours = round(minutes / 60)
    if hours < 24:
        return say(f"{hours} h", f"{hours} 小时")
    days = round(hours / 24)
    return say(f"{days} day" + ("s" if days > 1 else ""), f"{days} 天")


def _plain(typed: str) -> str:
    """Make keys of a Chinese input method plain: ２ is 2, ？ is ?."""
    return unicodedata.normalize("NFKC", typed).strip()


def when_again(rating: Rating, wait: float) -> str:
    """Say when a card comes again; one that was not known waits only for the other cards."""
    if rating is Rating.AGAIN:
        return say("It comes again in this sitting.", "这一轮里还会再问。")
    return say(f"Again in {span(wait)}.", f"{span(wait)}后再问。")


def where_taught(asked: Asked) -> str:
    """Name the lesson's section behind a card; empty where it has none."""
    heading = asked.card.heading()
    if not heading:
        return ""
    unit, section = asked.card.unit, asked.card.section
    return say(
        f"lesson {unit}, section {section}: {heading}", f"课文 {unit} 第 {section} 节：{heading}"
    )
