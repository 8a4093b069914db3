"""Drives the interface in tests: start it, wait for what should come, read what it shows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from textual.pilot import Pilot

from tutor.base import settings
from tutor.tui.app import TutorApp


@asynccontextmanager
async def running(
    size: tuple[int, int] = (120, 36),
) -> AsyncIterator[tuple[TutorApp, Pilot[Any]]]:
    """The application, its first page shown and the record read."""
    settings.load()
    app = TutorApp()
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.study.stocked.is_set() and app.study.page is not None)
        yield app, pilot


async def until(pilot: Pilot[Any], holds: Callable[[], Any], seconds: float = 20) -> None:
    """Wait until something holds."""
    for _ in range(int(seconds / 0.05)):
        if holds():
            return
        await pilot.pause(0.05)
    raise AssertionError("it did not come to hold in time")


def screen_text(app: TutorApp) -> str:
    """The whole screen as text, as a terminal would show it."""
    width, height = app.size
    update = app.screen._compositor.render_strips()
    lines = [strip.text for strip in update][:height]
    assert all(len(line) <= width for line in lines)
    return "\n".join(lines)
