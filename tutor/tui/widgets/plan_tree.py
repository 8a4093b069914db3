"""The plan: ten units with their marks; under each its lesson, resources, exercises
and quiz."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.style import Style
from rich.text import Text
from textual.binding import Binding
from textual.events import Resize
from textual.widgets import Tree
from textual.widgets.tree import TreeNode

import curriculum
from tutor.base.i18n import say
from tutor.tui.marks import Mark, Snapshot
from tutor.tui.places import Place


class PlanTree(Tree[Place]):
    """Selecting a node opens its page (Tree.NodeSelected carries the Place)."""

    COMPONENT_CLASSES: ClassVar = {"plan--mark", "plan--muted"}
    ICON_NODE = "▸ "
    ICON_NODE_EXPANDED = "▾ "
    BINDINGS: ClassVar = [
        Binding("right", "unfold", "Unfold", show=False),
        Binding("left", "fold", "Fold", show=False),
    ]

    def __init__(self) -> None:
        super().__init__("", id="plan")
        self.show_root = False
        self.guide_depth = 4
        self.show_guides = False
        self._snapshot = Snapshot()
        self._units: dict[str, TreeNode[Place]] = {}
        self._exercises: dict[str, str] = {}
        self._quizzes: set[str] = set()

    def on_mount(self) -> None:
        for unit in curriculum.units():
            node = self.root.add(str(unit.title), Place("unit", unit.id))
            node.add_leaf("", Place("lesson", unit.id))
            node.add_leaf("", Place("resources", unit.id))
            self._units[unit.id] = node

    def show(self, snapshot: Snapshot) -> None:
        """Show marks and points; add the exercises and quizzes the first time."""
        self._snapshot = snapshot
        for exercise in snapshot.exercises:
            if exercise.unit in self._units and exercise.id not in self._exercises:
                self._units[exercise.unit].add_leaf("", Place("exercise", exercise.id))
                self._exercises[exercise.id] = exercise.unit
        for unit in snapshot.quiz.keys() - self._quizzes:
            self._units[unit].add_leaf("", Place("quiz", unit))
            self._quizzes.add(unit)
        self.retell()

    def retell(self) -> None:
        for unit in self._units.values():
            unit.refresh()
            for child in unit.children:
                child.refresh()

    def point_at(self, place: Place) -> None:
        """Move the cursor to a page's node, unfolding its unit, without opening it again."""
        unit = self._units.get(place.unit)
        if unit is None:
            return
        if place.kind != "unit":
            unit.expand()
        found = next((n for n in (unit, *unit.children) if n.data == place), unit)
        self.call_after_refresh(self.move_cursor, found)

    def on_resize(self, _: Resize) -> None:
        self.retell()

    def action_unfold(self) -> None:
        if self.cursor_node is not None:
            self.cursor_node.expand()

    def action_fold(self) -> None:
        node = self.cursor_node
        if node is not None and node.data is not None:
            unit = self._units[node.data.unit]
            unit.collapse()
            self.move_cursor(unit)

    def render_label(self, node: TreeNode[Place], base_style: Style, style: Style) -> Text:
        if node.data is None:
            return Text()
        icon = ""
        if node.data.kind == "unit":
            icon = self.ICON_NODE_EXPANDED if node.is_expanded else self.ICON_NODE
        mark = self._mark(node.data)
        score = f" {mark.score}" if mark and mark.score else ""
        indent = 0 if node.data.kind == "unit" else self.guide_depth
        room = self.scrollable_content_region.width - indent - len(icon) - 2 - cell_len(score)
        title = _fit(self._title(node.data), max(room, 6))
        muted = self.get_component_rich_style("plan--muted", partial=True)
        lit = self.get_component_rich_style("plan--mark", partial=True)
        symbol = f"{mark.symbol} " if mark else "· "
        symbol_style = lit if mark and mark.state != "open" else muted
        return Text.assemble(
            (icon, base_style + muted),
            (symbol, style + symbol_style),
            (title, style),
            (score, style + muted),
        )

    def _mark(self, place: Place) -> Mark | None:
        if place.kind == "unit":
            return self._snapshot.unit_mark(place.id)
        if place.kind == "lesson":
            return self._snapshot.lesson_mark(place.id)
        if place.kind == "quiz":
            return self._snapshot.quiz_mark(place.id)
        for exercise in self._snapshot.exercises:
            if exercise.id == place.id:
                return self._snapshot.exercise_mark(exercise)
        return None

    def _title(self, place: Place) -> str:
        if place.kind == "unit":
            return unit_title(curriculum.unit(place.id))
        if place.kind == "lesson":
            return say("Lesson", "课文")
        if place.kind == "resources":
            return say("Resources", "参考资料")
        if place.kind == "quiz":
            return say("Quiz", "测验")
        found = (e for e in self._snapshot.exercises if e.id == place.id)
        return next((str(e.spec.title) for e in found), place.id)


def unit_title(unit: curriculum.Unit) -> str:
    """Name a unit with its number in the plan: "5 · Parameter-efficient fine-tuning"."""
    return f"{unit.number} · {unit.title}" if 0 < unit.number < 9 else str(unit.title)


def _fit(text: str, room: int) -> str:
    """Cut or fill a text to exactly so many cells."""
    if cell_len(text) <= room:
        return set_cell_size(text, room)
    return set_cell_size(set_cell_size(text, room - 1).rstrip() + "…", room)
