"""The line at the top: where the learner is, a mark for each unit, the points."""

from __future__ import annotations

from rich.cells import cell_len
from textual.content import Content
from textual.events import Resize
from textual.widgets import Static

import curriculum
from tutor.base.i18n import say
from tutor.tui.marks import Snapshot
from tutor.tui.places import Place


class ProgressLine(Static):
    """Always visible. Gives up the title before the marks, and the points never."""

    def __init__(self) -> None:
        super().__init__(id="progress-line")
        self._snapshot = Snapshot()
        self._place = Place("unit")
        self._title = ""

    def show(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self.retell()

    def locate(self, place: Place, title: str) -> None:
        self._place, self._title = place, title
        self.retell()

    def retell(self) -> None:
        width = max(self.content_size.width, 20)
        points, marks = self._points(), self._marks()
        room = width - points.cell_length - 2
        if marks.cell_length <= room:
            points = Content.assemble(marks, "  ", points)
            room -= marks.cell_length + 2
        title = self._heading(room)
        gap = " " * (width - title.cell_length - points.cell_length)
        self.update(Content.assemble(title, gap, points))

    def on_resize(self, _: Resize) -> None:
        self.retell()

    def _heading(self, room: int) -> Content:
        """The page's title, cut to its room."""
        name = "tutor"
        if room < len(name):
            return Content("")
        if self._title and room > 2 * len(name) + 4:
            name = f"tutor  {self._title}"
        cut = _cut(name, room)
        return Content.assemble((cut[:5], "bold $primary"), (cut[5:], "$foreground"))

    def _points(self) -> Content:
        total = self._snapshot.total()
        unit = say("points", "分")
        return Content.assemble((total.score or "0", "bold"), (f" {unit}", "$foreground 60%"))

    def _marks(self) -> Content:
        parts = []
        for name in curriculum.ORDER:
            mark = self._snapshot.unit_mark(name)
            style = "$foreground 60%" if mark.state == "open" else "$primary"
            if name == self._place.unit:
                style = "bold $primary underline"
            parts.append(Content.styled(mark.symbol, style))
        return Content("").join(parts)


def _cut(text: str, room: int) -> str:
    """Cut a text to so many cells."""
    if cell_len(text) <= room:
        return text
    while text and cell_len(text) > room - 1:
        text = text[:-1]
    return text + "…"
