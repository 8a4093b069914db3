"""The application: theme, language, palette, help. Everything else is on its screens."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import content
from textual.app import App
from textual.command import Provider
from textual.events import Key, Paste
from textual.screen import Screen
from textual.theme import Theme
from textual.worker import WorkerFailed

from tutor.base.errors import TutorError
from tutor.base.i18n import language, say
from tutor.base.linebreak import divide_line
from tutor.tui.config import save_language
from tutor.tui.places import Place
from tutor.tui.screens.study import StudyScreen
from tutor.tui.widgets.speaks import retell_all

DARK = Theme(
    "tutor",
    primary="#6fb8a8",
    secondary="#6fb8a8",
    accent="#6fb8a8",
    foreground="#d3d7de",
    background="#14171c",
    surface="#191d24",
    panel="#222831",
    success="#8cc07f",
    warning="#dfb46b",
    error="#e07c74",
    dark=True,
)
LIGHT = Theme(
    "tutor-light",
    primary="#1f7465",
    secondary="#1f7465",
    accent="#1f7465",
    foreground="#2a2e35",
    background="#fbfaf7",
    surface="#f3f1ec",
    panel="#e8e5de",
    success="#3d7a35",
    warning="#8f6410",
    error="#b3362d",
    dark=False,
)


def _commands() -> type[Provider]:
    from tutor.tui.commands import Commands

    return Commands


class TutorApp(App[Any]):
    """`tutor start`."""

    TITLE = "tutor"
    CSS_PATH = "tutor.tcss"
    COMMANDS: ClassVar = {_commands}
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide"), (140, "-roomy")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-low"), (18, "-tall")]  # noqa: RUF012

    def __init__(self, at: Place | None = None) -> None:
        """at: the page to open; by default that of the learner's unit."""
        super().__init__()
        # Textual has no setting for how lines break.
        content.divide_line = divide_line  # type: ignore[attr-defined]
        self.failure: TutorError | None = None
        """What ended the application, for the command line to say after it."""
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        if self.theme == "textual-dark":  # the user asked for no other through TEXTUAL_THEME
            self.theme = DARK.name
        self.study = StudyScreen(at)

    def get_default_screen(self) -> Screen[None]:
        return self.study

    def on_key(self, event: Key) -> None:
        if self.screen is self.study and self.study.holds_back(Key(event.key, event.character)):
            event.prevent_default()

    def on_paste(self, event: Paste) -> None:
        if self.screen is self.study:
            self.study.holds_back(Paste(event.text))

    async def action_language(self) -> None:
        """Switch between English and Chinese, here and in the settings."""
        try:
            save_language("en" if language() == "zh" else "zh")
        except (TutorError, OSError) as error:
            self.notify(str(error), severity="error", markup=False)
        for screen in self.screen_stack:
            await retell_all(screen)

    def action_help(self) -> None:
        from tutor.tui.screens.help import HelpScreen

        self.push_screen(HelpScreen())

    def action_command_palette(self) -> None:
        from textual.command import CommandPalette

        if not CommandPalette.is_open(self):
            hint = say("What would you like to do?", "想做什么？")
            self.push_screen(CommandPalette(placeholder=hint, id="--command-palette"))

    def open_url(self, url: str, *, new_tab: bool = True) -> None:
        """Open an address in the browser and say so. An answer or a passage can carry any link of
        a page that was added: those that do not lead into the web stay closed."""
        title = say("Not a web address: not opened", "不是网址，没有打开")
        is_web = url.lower().startswith(("https://", "http://"))
        if is_web:
            super().open_url(url, new_tab=new_tab)
            title = say("Opened in the browser", "已在浏览器中打开")
        self.notify(
            url,
            title=title,
            severity="information" if is_web else "warning",
            timeout=4,
            markup=False,
        )

    def _print_error_renderables(self) -> None:
        """Textual prints the traceback of a crash here; a learner gets a line and the log."""
        if self._exception is not None:
            from tutor.base.trouble import as_tutor_error

            failed = self._exception
            self.failure = as_tutor_error(
                failed.error if isinstance(failed, WorkerFailed) else failed
            )
