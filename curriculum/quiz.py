"""The quiz cards of each unit (units/<unit>/quiz.toml): loaded strictly, graded here.

Three kinds, told apart by what a card has: options (Choice), an answer (Recall) or a number
(Number). A card's key, "week5/lora-rank", is what the learner's record keeps: an id is never
changed, and a card whose meaning changes gets a new one.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

import curriculum
from tutor.base.errors import TutorError, nearest
from tutor.base.i18n import Bilingual, Language, say


@dataclass(frozen=True)
class _Asked:
    """What every card has. section: the "## N." of the unit's lesson that teaches it; 0: none."""

    unit: str
    id: str
    section: int
    question: Bilingual

    @property
    def key(self) -> str:
        return f"{self.unit}/{self.id}"

    def heading(self, lang: Language | None = None) -> str:
        """Return the title of the lesson's section; empty where there is none."""
        lesson = curriculum.unit(self.unit).lesson_file(lang)
        if lesson is None or not self.section:
            return ""
        found = re.search(rf"^## {self.section}\. (.+)$", lesson.read_text("utf-8"), re.MULTILINE)
        return found[1].strip() if found else ""


@dataclass(frozen=True)
class Choice(_Asked):
    """One of three to five options is right."""

    options: tuple[Bilingual, ...]
    right: int
    why: Bilingual

    def order(self, review: int) -> tuple[int, ...]:
        """Return the options' indices as the review of that number shows them.

        The same for the same review, so that a screen drawn again shows the same, and another
        for the next, so that a position is no clue.
        """
        from random import Random

        places = list(range(len(self.options)))
        Random(f"{self.key} {review}").shuffle(places)
        return tuple(places)


@dataclass(frozen=True)
class Recall(_Asked):
    """A question to answer in one's own words. answer: what a good one must contain."""

    answer: Bilingual


@dataclass(frozen=True)
class Number(_Asked):
    """A number to work out. tolerance: relative to the number, 0.01 by default."""

    number: float
    why: Bilingual
    tolerance: float = 0.01

    def accepts(self, text: str) -> bool | None:
        """Tell whether a typed number is right; None where it is none.

        "73,728", "7.4e4", "1/3", "1.5×10^8" and "538 MB" are numbers. A percent sign or a "M"
        may be meant as a scale or as the unit that was asked for: either may be right.
        """
        readings = read_number(text)
        if not readings:
            return None
        # Below a billionth lies what floats themselves get wrong.
        margin = max(self.tolerance, 1e-9) * abs(self.number)
        return any(abs(reading - self.number) <= margin for reading in readings)


Card = Choice | Recall | Number


@cache
def cards(unit: str) -> tuple[Card, ...]:
    """Return a unit's cards in their order; empty where it has none yet.

    Raises TutorError that names the file, the card and what is wrong with it.
    """
    path = curriculum.ROOT / unit / "quiz.toml"
    if not path.exists():
        return ()
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _wrong(path, "", f"not valid TOML: {error}", f"不是合法的 TOML：{error}") from error
    rows = document.pop("cards", [])
    if document:
        _unknown(path, "", list(document), ["cards"])
    found = tuple(_card(path, unit, number, row) for number, row in enumerate(rows, 1))
    seen: set[str] = set()
    for card in found:
        if card.id in seen:
            raise _wrong(path, card.id, "two cards have this id", "有两张卡片用了这个 id")
        seen.add(card.id)
    return found


def all_cards() -> tuple[Card, ...]:
    """Return every card there is, in the order of the plan."""
    return tuple(card for unit in curriculum.ORDER for card in cards(unit))


# Loading

_KINDS: dict[str, type[Choice] | type[Recall] | type[Number]] = {
    "options": Choice,
    "answer": Recall,
    "number": Number,
}
_ALLOWED = {
    "options": ["id", "section", "question", "options", "right", "why"],
    "answer": ["id", "section", "question", "answer"],
    "number": ["id", "section", "question", "number", "tolerance", "why"],
}
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def _card(path: Path, unit: str, number: int, row: dict[str, Any]) -> Card:
    name = str(row.get("id", f"#{number}"))
    kinds = [kind for kind in _KINDS if kind in row]
    if len(kinds) != 1:
        raise _wrong(
            path,
            name,
            f"it needs one of options, answer and number, and has {len(kinds)}",
            f"options、answer、number 必须恰好有一个，现在有 {len(kinds)} 个",
        )
    if extra := [key for key in row if key not in _ALLOWED[kinds[0]]]:
        _unknown(path, name, extra, _ALLOWED[kinds[0]])
    _check_texts(path, name, row)
    try:
        card: Card = msgspec.convert({**row, "unit": unit}, _KINDS[kinds[0]])
    except msgspec.ValidationError as error:
        raise _wrong(path, name, str(error), str(error)) from error
    _check(path, card)
    return card


def _check_texts(path: Path, card: str, row: dict[str, Any]) -> None:
    """Every text in both languages, none empty, none in a third."""
    for key, value in row.items():
        for text in value if isinstance(value, list) else [value]:
            if not isinstance(text, dict):
                continue
            for lang in ("en", "zh"):
                if not str(text.get(lang, "")).strip():
                    raise _wrong(path, card, f"{key} has no {lang}", f"{key} 缺少 {lang}")
            if extra := [name for name in text if name not in ("en", "zh")]:
                _unknown(path, card, extra, ["en", "zh"])


def _check(path: Path, card: Card) -> None:
    if not _ID.fullmatch(card.id):
        raise _wrong(path, card.id, "its id is not kebab-case", "id 不是 kebab-case 形式")
    if card.section < 0:
        raise _wrong(path, card.id, "its section is below 0", "section 小于 0")
    if isinstance(card, Choice):
        if not 3 <= len(card.options) <= 5:
            count = len(card.options)
            raise _wrong(
                path,
                card.id,
                f"3 to 5 options, not {count}",
                f"选项应为 3 到 5 个，现为 {count} 个",
            )
        if not 0 <= card.right < len(card.options):
            raise _wrong(
                path,
                card.id,
                f"no option has the index {card.right}",
                f"没有序号为 {card.right} 的选项",
            )
    if isinstance(card, Number) and not 0 <= card.tolerance < 1:
        raise _wrong(path, card.id, "its tolerance is not in [0, 1)", "tolerance 不在 [0, 1) 内")


def _unknown(path: Path, card: str, keys: list[str], known: list[str]) -> None:
    raise _wrong(
        path,
        card,
        f"unknown key {keys[0]!r}; nearest: {nearest(keys[0], known)}",
        f"未知的键 {keys[0]!r}；最接近的：{nearest(keys[0], known)}",
    )


def _wrong(path: Path, card: str, en: str, zh: str) -> TutorError:
    place = f"{path.parent.name}/{path.name}" + (f", {card}" if card else "")
    return TutorError(
        say(f"{place}: {en}.", f"{place}：{zh}。"),
        say(f"Correct it in {path}.", f"请在 {path} 中改正。"),
    )


# Numbers

_SCALES = {
    "%": 0.01,
    "k": 1e3,
    "m": 1e6,
    "million": 1e6,
    "b": 1e9,
    "g": 1e9,
    "billion": 1e9,
    "t": 1e12,
    "万": 1e4,
    "亿": 1e8,
    "kb": 1e3,
    "mb": 1e6,
    "gb": 1e9,
    "tb": 1e12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
}
_NUMBER = re.compile(
    r"(?:[≈~=$约]|about)?\s*(?P<sign>[-+]?)\s*"
    r"(?P<digits>\d{1,3}(?:[,_ ]\d{3})+(?:\.\d+)?|\d+(?:\.\d*)?|\.\d+)"
    r"(?:e(?P<exponent>[-+]?\d{1,2})|\s*[x×*]\s*10\s*(?:\^|\*\*)?\s*(?P<power>[-+]?\d{1,2}))?"
    r"(?:\s*/\s*(?P<below>\d+))?"
    r"\s*(?P<scale>%|[^\W\d_]*)\D*"
)


def read_number(text: str) -> tuple[float, ...]:
    """Return what a typed number may mean; empty where it is none."""
    # NFKC makes full-width digits plain, but also 10⁸ into 108: hence the sign before it.
    plain = re.sub(r"(?<=10)(?=[⁻⁰¹²³⁴⁵⁶⁷⁸⁹])", "^", text)
    plain = unicodedata.normalize("NFKC", plain).replace("−", "-")
    found = _NUMBER.fullmatch(plain.strip().lower())
    if found is None or (below := float(found["below"] or 1)) == 0:
        return ()
    digits = re.sub(r"[,_ ]", "", found["digits"])
    exponent = found["exponent"] or found["power"] or "0"
    value = float(f"{found['sign']}{digits}e{exponent}") / below
    scale = _SCALES.get(found["scale"])
    return (value,) if scale is None else (value, value * scale)
