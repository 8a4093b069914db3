"""`tutor start`: the terminal interface."""

from __future__ import annotations

import os
import sys

import click

from tutor.base.errors import Exit, TutorError
from tutor.base.i18n import say


@click.command(help="Open the tutor. / 打开学习界面。")
def start() -> None:
    require_terminal()
    from tutor.tui.app import TutorApp

    app = TutorApp()
    app.run()
    if app.failure is not None:
        raise app.failure


def require_terminal() -> None:
    """Raise TutorError where there is no terminal to draw on."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise TutorError(
            say("`tutor start` needs a terminal.", "`tutor start` 需要在终端中运行。"),
            say(
                "Run it in a terminal window, or use `tutor ask`, `tutor plan`, `tutor check`.",
                "请在终端窗口中运行，或使用 `tutor ask`、`tutor plan`、`tutor check`。",
            ),
            Exit.USAGE,
        )
    # Windows has no TERM; elsewhere a terminal without one cannot place the cursor.
    if sys.platform != "win32" and os.environ.get("TERM", "") in ("", "dumb", "unknown"):
        raise TutorError(
            say("TERM does not name a terminal.", "TERM 没有指明终端类型。"),
            say(
                "Try: TERM=xterm-256color tutor start", "可以试试：TERM=xterm-256color tutor start"
            ),
            Exit.USAGE,
        )
