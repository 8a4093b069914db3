"""Threads for work that must not stop the screen. They end with the process (daemons), so that
quitting never waits for a model or a training job."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Background:
    """One event loop in a thread: the agent lives there, so that what it does between two awaits
    (imports, embedding, SQLite) costs the screen nothing, and so that its clients and caches see
    one loop from question to question."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine there. Cancelling the future cancels the coroutine at its next await."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=self._loop.run_forever, name=self._name, daemon=True).start()
        return asyncio.run_coroutine_threadsafe(work, self._loop)


def in_thread(work: Callable[[], T], name: str) -> Future[T]:
    """Run a function in a daemon thread of its own."""
    future: Future[T] = Future()

    def run() -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001  handed to whoever holds the future
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
