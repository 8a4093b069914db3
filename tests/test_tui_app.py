"""The frame: first paint, navigation, languages, sizes, the record."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from textual.widgets import Tree
from tui_driver import running, screen_text, until

import curriculum
from tutor.base import settings
from tutor.progress import open_progress
from tutor.tui.places import ASK, Place
from tutor.tui.widgets.key_bar import KeyBar
from tutor.tui.widgets.plan_tree import PlanTree, unit_title
from tutor.tui.widgets.progress_line import ProgressLine


def test_the_first_frame_shows_the_ten_units(home: Path) -> None:
    async def run() -> None:
        from tutor.tui.app import TutorApp

        settings.load()
        app = TutorApp()
        async with app.run_test(size=(120, 36)):
            text = screen_text(app)  # nothing was waited for but the first refresh
            assert len(app.study.query_one(PlanTree).root.children) == 10
            for unit in curriculum.units():
                assert unit_title(unit)[:20] in text

    asyncio.run(run())


def test_the_plan_leads_to_the_lesson_and_the_lesson_into_the_record(home: Path) -> None:
    async def run() -> None:
        async with running() as (app, pilot):
            plan = app.study.query_one(PlanTree)
            week5 = plan.root.children[5]
            plan.move_cursor(week5)
            await pilot.press("enter")
            await until(pilot, lambda: app.study.page.place == Place("unit", "week5"))
            plan.focus()
            await pilot.press("down", "enter")
            await until(pilot, lambda: app.study.page.place == Place("lesson", "week5"))
            await until(pilot, lambda: "LoRA" in screen_text(app).splitlines()[2])
            assert "week5" not in app.study.snapshot.lessons, "opened is not read"
            await pilot.press("end")
            await until(pilot, lambda: "week5" in app.study.snapshot.lessons)

    asyncio.run(run())
    record, _ = open_progress()
    assert record.lessons_read() == {"week5"}
    assert record.db["events"].count_where("kind = 'lesson'") == 1


def test_the_language_switches_live_and_is_kept(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TUTOR_LANGUAGE")

    async def run() -> None:
        settings.update(language="en")
        async with running() as (app, pilot):
            assert "Objectives" in screen_text(app)
            await pilot.press("l")
            await until(pilot, lambda: "学习目标" in screen_text(app))
            text = screen_text(app)
            assert unit_title(curriculum.units()[3])[:8] in text
            assert "提问" in text.splitlines()[-1]
            assert "Objectives" not in text
            await pilot.press("f1")
            await until(pilot, lambda: "下一道未完成的练习" in screen_text(app))

    asyncio.run(run())
    assert settings.load().language == "zh"


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (160, 48)])
def test_every_page_fits_the_terminal(home: Path, size: tuple[int, int]) -> None:
    async def run() -> None:
        from exercises.spec import all_exercises

        exercise = all_exercises()[0].id
        places = [Place(kind, "week5") for kind in ("unit", "resources", "lesson")]
        async with running(size) as (app, pilot):
            for place in [*places, ASK, Place("exercise", exercise)]:
                await app.study.go(place)
                await pilot.pause(0.2)
                _assert_fits(app, size)
            await pilot.press("f1")
            await pilot.pause(0.2)
            assert "F1" in screen_text(app)

    asyncio.run(run())


def _assert_fits(app, size: tuple[int, int]) -> None:  # type: ignore[no-untyped-def]
    width, height = size
    line, bar = app.study.query_one(ProgressLine), app.study.query_one(KeyBar)
    assert line.region.y == 0 and line.region.width == width
    assert bar.region.bottom == height
    lines = screen_text(app).splitlines()
    assert "points" in lines[0], "the points are always there"
    assert lines[-1].strip(), "some keys are always there"
    page = app.study.page
    assert page.region.height >= height - 3
    assert page.region.right <= width
    focused = app.focused
    assert focused is not None and focused.region.height > 0 and focused.region.right <= width


def test_a_narrow_terminal_shows_the_plan_or_the_page(home: Path) -> None:
    async def run() -> None:
        async with running((80, 24)) as (app, pilot):
            plan = app.study.query_one(PlanTree)
            assert plan.size.width == 80 - 1
            await pilot.press("enter")
            await until(pilot, lambda: not plan.display)
            await pilot.press("p")
            await until(pilot, lambda: plan.display and plan.has_focus)
            await pilot.press("p")
            await until(pilot, lambda: not plan.display)
            await pilot.press("escape")
            await until(pilot, lambda: plan.display)

    asyncio.run(run())


def test_a_wide_terminal_hides_the_plan_on_demand(home: Path) -> None:
    async def run() -> None:
        async with running((120, 36)) as (app, pilot):
            plan = app.study.query_one(PlanTree)
            assert plan.display
            await pilot.press("p")
            await until(pilot, lambda: not plan.display)
            await pilot.press("p")
            await until(pilot, lambda: plan.display)

    asyncio.run(run())


def test_a_corrupt_record_is_moved_aside_and_the_learner_told(home: Path) -> None:
    (home / "progress.db").write_bytes(b"this is not a database" * 100)

    async def run() -> None:
        async with running() as (app, pilot):
            await until(pilot, lambda: len(app._notifications) > 0)
            told = " ".join(n.message for n in app._notifications)
            assert "progress.corrupt-" in told

    asyncio.run(run())
    assert list(home.glob("progress.corrupt-*.db"))


@pytest.mark.parametrize(
    ("typed", "place"),
    [
        ("lesson 5", Place("lesson", "week5")),
        ("week5/lora", Place("exercise", "week5/lora")),
    ],
)
def test_the_palette_finds_a_place_and_goes_there(home: Path, typed: str, place: Place) -> None:
    async def run() -> None:
        async with running() as (app, pilot):
            await pilot.press("ctrl+p")
            await pilot.pause(0.3)
            await pilot.press(*typed)
            await pilot.pause(1)
            await pilot.press("enter")
            await until(pilot, lambda: app.study.page.place == place)

    asyncio.run(run())


def test_resources_open_in_the_browser(home: Path) -> None:
    async def run() -> None:
        from tutor.tui.widgets.link_row import LinkRow

        async with running() as (app, pilot):
            opened: list[str] = []
            app.open_url = lambda url, **_: opened.append(url)  # type: ignore[method-assign]
            await app.study.go(Place("resources", "week5"))
            url = curriculum.unit("week5").resources[0].url
            row = next(r for r in app.study.page.query(LinkRow) if r.target == url)
            row.focus()
            await pilot.press("enter")
            await until(pilot, lambda: opened == [url])

    asyncio.run(run())


def test_the_key_for_help_is_shown_where_a_page_has_many_keys(home: Path) -> None:
    async def run() -> None:
        async with running((80, 24)) as (app, _):
            await app.study.go(Place("exercise", "week5/lora"))  # it has a job: the most keys
            assert "F1 Help" in screen_text(app).splitlines()[-1]

    asyncio.run(run())


def test_keys_are_shown_where_they_work(home: Path) -> None:
    async def run() -> None:
        async with running() as (app, pilot):
            assert "a Ask" in screen_text(app).splitlines()[-1]
            await pilot.press("a")
            await until(pilot, lambda: app.study.page.place == ASK)
            await pilot.pause(0.2)
            bar = screen_text(app).splitlines()[-1]
            assert "Enter Send" in bar
            assert "a Ask" not in bar, "in a text field a is a letter"
            assert isinstance(app.study.query_one("#plan"), Tree)

    asyncio.run(run())
