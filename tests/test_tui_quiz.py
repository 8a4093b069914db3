"""The quiz's page: each kind of card by key and by mouse, both languages, small terminals."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from textual.widgets import Input
from tui_driver import running, screen_text, until

from curriculum import quiz
from curriculum.quiz import Choice
from tutor.progress import open_progress
from tutor.progress.reviews import Rating, Reviews
from tutor.tui.places import Place
from tutor.tui.widgets.link_row import LinkRow

NOON = 1_772_450_000.0
WEEK1 = Place("quiz", "week1")


@pytest.fixture(autouse=True)
def _now(home: Path, deck: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tutor.tui.panes import quiz as pane

    monkeypatch.setattr(pane, "clock", lambda: NOON)


def place(card: quiz.Card, right: bool = True, review: int = 0) -> str:
    assert isinstance(card, Choice)
    wrong = next(index for index in range(3) if index != card.right)
    return str(card.order(review).index(card.right if right else wrong) + 1)


def log() -> list[tuple[str, int, str]]:
    rows = open_progress()[0].db.query("SELECT card, rating, answer FROM reviews ORDER BY id")
    return [(row["card"], row["rating"], row["answer"]) for row in rows]


def test_a_sitting_from_the_units_page_by_keys() -> None:
    pick = quiz.cards("week1")[0]

    async def run() -> None:
        async with running((80, 24)) as (app, pilot):
            await app.study.go(Place("unit", "week1"))
            row = next(r for r in app.study.page.query(LinkRow) if r.target == WEEK1)
            row.focus()
            await pilot.press("enter")
            await until(pilot, lambda: "Which one is green?" in screen_text(app))
            assert "1–5 Choose" in screen_text(app).splitlines()[-1]
            await pilot.press(place(pick))
            await until(pilot, lambda: "✓ Right. Grass has chlorophyll." in screen_text(app))
            text = screen_text(app)
            assert f"✓ {place(pick)}  grass" in text and "Again in 2 days." in text
            assert "lesson week1, section 2" in text
            await pilot.press(place(pick))  # a card is answered once
            await pilot.press("space")
            await until(pilot, lambda: "Why is the sky blue?" in screen_text(app))
            assert "Short waves" not in screen_text(app)
            await pilot.press("space")
            await until(pilot, lambda: "Short waves scatter most." in screen_text(app))
            await pilot.press("5")  # there is no fifth rating
            await pilot.press("2")
            await until(pilot, lambda: "How many bytes" in screen_text(app))
            await until(pilot, lambda: isinstance(app.focused, Input))
            await pilot.press(*"many", "enter")
            await until(pilot, lambda: "Not a number" in screen_text(app))
            app.focused.value = ""  # type: ignore[union-attr]
            await pilot.press(*"18,432", "enter")
            await until(pilot, lambda: "18 times 1024" in screen_text(app))
            await until(pilot, lambda: not isinstance(app.focused, Input))
            await pilot.press("enter")
            await until(pilot, lambda: "Done: 3 answers, 3 right." in screen_text(app))
            await until(pilot, lambda: app.study.snapshot.quiz["week1"].known == 2)

    asyncio.run(run())
    assert log() == [
        ("week1/pick", 3, "grass"),
        ("week1/say", 2, ""),
        ("week1/count", 3, "18,432"),
    ]


def test_a_wrong_answer_by_mouse_comes_again_in_other_places() -> None:
    a = quiz.cards("week2")[0]

    async def run() -> None:
        async with running() as (app, pilot):
            await app.study.go(Place("quiz", "week2"))
            await until(pilot, lambda: "Question a?" in screen_text(app))
            number = int(place(a, right=False))
            row = next(r for r in app.study.page.query(LinkRow) if r.target == number)
            await pilot.click(row)
            await until(pilot, lambda: "✗ Not yet. Because no." in screen_text(app))
            assert f"✗ {number}  " in screen_text(app) and "✓ " in screen_text(app)
            for _ in range(3):  # on, and the two others: "don't know"
                await pilot.press("space")
                await pilot.pause(0.2)
                await pilot.press("space")
                await pilot.pause(0.2)
            assert app.study.page._asked.card == a and app.study.page._asked.review == 1

    asyncio.run(run())
    assert [entry[:2] for entry in log()][:3] == [("week2/a", 1), ("week2/b", 1), ("week2/c", 1)]


def test_the_language_switches_on_any_card() -> None:
    async def run() -> None:
        async with running((80, 24)) as (app, pilot):
            await app.study.go(WEEK1)
            await until(pilot, lambda: "Which one is green?" in screen_text(app))
            await pilot.press("l")
            await until(pilot, lambda: "哪个是绿的？" in screen_text(app))
            assert "草" in screen_text(app) and "选择" in screen_text(app).splitlines()[-1]
            await pilot.press("space")
            await until(pilot, lambda: "✗ 还不对。草里有叶绿素。" in screen_text(app))
            await pilot.press("l")
            await until(pilot, lambda: "Grass has chlorophyll." in screen_text(app))
            assert "草" not in screen_text(app)

    asyncio.run(run())
    assert log() == [("week1/pick", 1, "?")], "drawn again, not answered again"


def test_looking_something_up_keeps_the_card() -> None:
    async def run() -> None:
        async with running() as (app, pilot):
            await app.study.go(WEEK1)
            await pilot.press("space")
            await until(pilot, lambda: "✗ Not yet" in screen_text(app))
            lesson = next(r for r in app.study.page.query(LinkRow) if isinstance(r.target, Place))
            lesson.action_open()
            await until(pilot, lambda: app.study.page.place == Place("lesson", "week1"))
            await app.study.go(WEEK1)
            await until(pilot, lambda: "✗ Not yet" in screen_text(app))
            await app.study.go(Place("quiz", "week2"))
            await until(pilot, lambda: "Question a?" in screen_text(app))

    asyncio.run(run())


def test_the_key_opens_what_is_due_everywhere() -> None:
    open_progress()[0].reviews.review(quiz.cards("week2")[1], Rating.AGAIN, NOON - 9999)

    async def run() -> None:
        async with running() as (app, pilot):
            await pilot.press("z")
            await until(pilot, lambda: "Question b?" in screen_text(app))
            assert "1 left" in screen_text(app)

    asyncio.run(run())


def test_nothing_due_is_said() -> None:
    async def run() -> None:
        async with running((80, 24)) as (app, pilot):
            await app.study.go(Place("quiz"))
            await until(pilot, lambda: "Nothing to answer now." in screen_text(app))
            await pilot.press("1", "space", "enter")
            assert "Nothing to answer now." in screen_text(app)

    asyncio.run(run())


def test_an_answer_that_cannot_be_kept_is_not_shown_as_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def locked(*_: object, **__: object) -> float:
        raise sqlite3.OperationalError("database is locked")

    async def run() -> None:
        async with running() as (app, pilot):
            await app.study.go(WEEK1)
            with monkeypatch.context() as broken:
                broken.setattr(Reviews, "review", locked)
                await pilot.press("space")
                await until(pilot, lambda: any("locked" in n.message for n in app._notifications))
                assert "Not yet" not in screen_text(app)
            await pilot.press("space")
            await until(pilot, lambda: "✗ Not yet" in screen_text(app))

    asyncio.run(run())
    assert len(log()) == 1


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (160, 48)])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_it_fits_the_terminal(
    size: tuple[int, int], lang: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUTOR_LANGUAGE", lang)

    async def run() -> None:
        async with running(size) as (app, pilot):
            await app.study.go(WEEK1)
            for _ in range(6):  # question and answer of each card
                await pilot.pause(0.1)
                lines = screen_text(app).splitlines()
                assert lines[-1].strip() and ("points" in lines[0] or "分" in lines[0])
                assert app.focused is not None and app.focused.region.height > 0
                page = app.study.page
                assert page.region.right <= size[0] and page.region.height >= size[1] - 3
                number = page.query_one("#quiz-number")
                assert not number.display or number.region.bottom <= size[1] - 1
                await pilot.press(*(("?", "enter") if number.display else ("space",)))

    asyncio.run(run())
