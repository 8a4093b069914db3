"""Quiz cards: what a file may hold, grading, and every card that there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from curriculum import ORDER, quiz
from curriculum.quiz import Choice, Number, Recall, read_number
from tutor.base import i18n
from tutor.base.errors import TutorError
from tutor.base.i18n import Bilingual
from tutor.progress.reviews import Asked
from tutor.progress.sitting import grade, kept, rating_of, solution

HAN = re.compile(r"[\u4e00-\u9fff]")
GOOD = """
id = "good"
section = 1
question = { en = "Q?", zh = "问？" }
options = [ { en = "a", zh = "甲" }, { en = "b", zh = "乙" }, { en = "c", zh = "丙" } ]
right = 0
why = { en = "So.", zh = "因此。" }
"""


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(i18n, "_current", "en")


# Every card that there is


@pytest.mark.parametrize("unit", ORDER)
def test_every_unit_has_enough_cards_of_each_kind(unit: str) -> None:
    cards = quiz.cards(unit)
    assert len(cards) >= 16
    for kind in (Choice, Recall, Number):
        assert sum(isinstance(card, kind) for card in cards) >= 3, kind


@pytest.mark.parametrize("unit", ORDER)
def test_texts_are_short_and_in_both_languages(unit: str) -> None:
    for card in quiz.cards(unit):
        texts = [(card.question, 240)]
        if isinstance(card, Choice):
            texts += [(option, 120) for option in card.options]
        texts.append((card.answer if isinstance(card, Recall) else card.why, 300))
        for text, most in texts:
            assert len(text.en) <= most and len(text.zh) <= most, (card.key, text)
            assert not HAN.search(re.sub(r"['\"“`][^'\"”`]*['\"”`]", "", text.en)), (
                card.key,
                text.en,
            )
        for text in (card.question, texts[-1][0]):
            assert HAN.search(text.zh), (card.key, text.zh)


@pytest.mark.parametrize("unit", ORDER)
def test_options_differ_and_sections_exist(unit: str) -> None:
    for card in quiz.cards(unit):
        if isinstance(card, Choice):
            for lang in ("en", "zh"):
                said = [getattr(option, lang) for option in card.options]
                assert len(set(said)) == len(said), card.key
        if card.section:
            assert card.heading("en") and card.heading("zh"), f"{card.key}: {card.section}"


@pytest.mark.parametrize("unit", ORDER)
def test_the_right_option_does_not_stand_out(unit: str) -> None:
    """Neither the file's order nor length gives it away."""
    choices = [card for card in quiz.cards(unit) if isinstance(card, Choice)]
    longest = sum(
        len(card.options[card.right].en)
        > max(len(o.en) for o in card.options if o is not card.options[card.right])
        for card in choices
    )
    assert longest <= 0.7 * len(choices), (
        f"{longest} of {len(choices)} right options are the longest"
    )


@pytest.mark.parametrize("unit", ORDER)
def test_a_number_is_accepted_as_it_is_shown(unit: str) -> None:
    for card in quiz.cards(unit):
        if isinstance(card, Number):
            assert card.accepts(solution(Asked(card))), card.key
            assert not card.accepts(str(card.number * 1.5 + 1)), card.key


# What a file may hold


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("right = 0", "right = 3", "index 3"),
        ("right = 0", "right = -1", "index -1"),
        ("right = 0", "rihgt = 0", "'rihgt'; nearest: right"),
        ("right = 0", "right = 0\nnumber = 3", "has 2"),
        ("right = 0", 'right = "0"', "int"),
        (', { en = "c", zh = "丙" } ]', " ]", "not 2"),
        (', zh = "乙"', "", "options has no zh"),
        ('zh = "因此。"', 'zh = " "', "why has no zh"),
        ('zh = "问？"', 'zh = "问？", de = "F?"', "'de'"),
        ("section = 1", "section = -1", "section"),
        ("section = 1", "", "section"),
        ('id = "good"', 'id = "Good one"', "kebab"),
        ('id = "good"', "", "#1"),
        ("section = 1", "section = ", "TOML"),
    ],
)
def test_a_wrong_card_is_named(deck: Path, before: str, after: str, said: str) -> None:
    assert before in GOOD
    path = deck / "week3" / "quiz.toml"
    path.write_text("[[cards]]\n" + GOOD.replace(before, after), "utf-8")
    with pytest.raises(TutorError) as error:
        quiz.cards("week3")
    assert said in error.value.message and "week3/quiz.toml" in error.value.message
    assert str(path) in error.value.hint


def test_the_same_id_twice_and_a_stray_table_are_refused(deck: Path) -> None:
    path = deck / "week3" / "quiz.toml"
    path.write_text(2 * ("[[cards]]\n" + GOOD), "utf-8")
    with pytest.raises(TutorError, match="good: two cards"):
        quiz.cards("week3")
    path.write_text("[[card]]\n" + GOOD, "utf-8")
    with pytest.raises(TutorError, match="nearest: cards"):
        quiz.cards("week3")


def test_a_unit_without_cards_has_none(deck: Path) -> None:
    assert quiz.cards("week8") == ()
    assert [card.key for card in quiz.all_cards()] == [
        *("week1/pick", "week1/say", "week1/count"),
        *("week2/a", "week2/b", "week2/c"),
    ]
    assert quiz.cards("week1")[0].heading("en") == "Many heads for the price of one"
    assert quiz.cards("week1")[1].heading("en") == ""


# Grading


def _choice(options: int = 4, right: int = 2) -> Choice:
    texts = tuple(Bilingual(f"o{n}", f"选{n}") for n in range(options))
    return Choice("week1", "c", 0, Bilingual("Q", "问"), texts, right, Bilingual("W", "因"))


def test_options_change_places_from_review_to_review() -> None:
    card = _choice()
    places = [card.order(review).index(card.right) for review in range(200)]
    assert [card.order(review).index(card.right) for review in range(200)] == places
    assert all(35 <= places.count(place) <= 65 for place in range(4)), "no place is a clue"
    assert all(sorted(card.order(review)) == [0, 1, 2, 3] for review in range(20))


def test_a_choice_is_graded_where_it_stood() -> None:
    asked = Asked(_choice(), review=5)
    place = asked.card.order(5).index(2) + 1
    assert grade(asked, str(place)) is True and kept(asked, str(place)) == "o2"
    assert all(grade(asked, str(n)) is False for n in range(1, 5) if n != place)
    assert grade(asked, "?") is False and grade(asked, "？") is False
    for typed in ("0", "5", "x", "", "-1", "1.0"):
        assert grade(asked, typed) is None, typed
    assert grade(asked, chr(0xFF10 + place)) is True, "a full-width digit"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("73728", (73728,)),
        ("73,728", (73728,)),
        ("7.3728e4", (73728,)),
        ("1/4", (0.25,)),
        ("2 × 10⁻⁵", (2e-5,)),
        ("1.5x10^8", (1.5e8,)),
        ("15 %", (15, 0.15)),
        ("538 MB", (538, 538e6)),
        ("1.3 亿", (1.3, 1.3e8)),
        ("≈ 4.5 bits", (4.5,)),
        ("−２", (-2,)),
        ("3,5", ()),
        ("1/0", ()),
        ("two", ()),
        ("2 or 3", ()),
        ("", ()),
    ],
)
def test_numbers_are_read_as_people_write_them(text: str, values: tuple[float, ...]) -> None:
    assert read_number(text) == pytest.approx(values)


def test_a_number_is_right_within_its_tolerance() -> None:
    card = Number("week1", "n", 0, Bilingual("Q", "问"), 200.0, Bilingual("W", "因"))
    assert [card.accepts(t) for t in ("200", "201.9", "198.1", "203", "-200")] == [
        *(True, True, True),
        *(False, False),
    ]
    assert card.accepts("lots") is None
    exact = Number("week1", "n", 0, Bilingual("Q", "问"), 0.3, Bilingual("W", "因"), tolerance=0)
    assert exact.accepts("3/10") and exact.accepts("30%") and not exact.accepts("0.301")


def test_ones_own_rating_is_read() -> None:
    assert [rating_of(t) for t in ("1", " 4 ", "？", "5", "x", "")] == [1, 4, 1, None, None, None]
