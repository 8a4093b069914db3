"""An exercise: its task, and the bench where it is run, checked and hinted at."""

from __future__ import annotations

import subprocess
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from textual import on
from textual.app import ComposeResult, SuspendNotSupported
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Button, Log, Markdown, Static, Tab, Tabs

from exercises.spec import Exercise
from tutor.base.errors import TutorError
from tutor.base.i18n import language, say
from tutor.tui import bench
from tutor.tui.asking import Problem, problem, problem_of
from tutor.tui.keys import EXERCISE, Key, bindings
from tutor.tui.marks import Snapshot
from tutor.tui.messages import Checked, Noted
from tutor.tui.places import Place
from tutor.tui.widgets.results import Results
from tutor.tui.widgets.run_view import RunView

VIEWS = ("task", "results", "run", "hints")


def pane_id(exercise: str) -> str:
    return "pane-exercise-" + exercise.replace("/", "-")


class ExercisePane(Vertical):
    """One exercise. It stays while its job runs, wherever the learner goes."""

    BINDINGS = bindings(EXERCISE)

    class Ended(Message):
        """A run or a check has ended with a result, or with a problem."""

        def __init__(self, done: bench.Work, result: Any, trouble: Problem | None) -> None:
            self.work, self.result, self.trouble = done, result, trouble
            super().__init__()

    def __init__(self, exercise: Exercise) -> None:
        super().__init__(id=pane_id(exercise.id), classes="pane exercise")
        self.exercise = exercise
        self.place = Place("exercise", exercise.id)
        self.KEYS: tuple[Key, ...] = tuple(
            key for key in EXERCISE if key.action not in ("run", "finish") or exercise.spec.job
        )
        self._work: bench.Work | None = None
        self._hints = 0
        self._note = Content("")

    @property
    def title(self) -> str:
        return f"{self.exercise.id} · {self.exercise.spec.title}"

    @property
    def busy(self) -> bool:
        return self._work is not None

    @property
    def _views(self) -> tuple[str, ...]:
        return VIEWS if self.exercise.spec.job else tuple(v for v in VIEWS if v != "run")

    def _pressed(self) -> list[Key]:
        """The keys that have a button."""
        return [key for key in self.KEYS if key.action not in ("edit", "finish")]

    def compose(self) -> ComposeResult:
        with Horizontal(classes="buttons"):
            for key in self._pressed():
                yield Button("", name=key.action, compact=True)
        yield Tabs(*(Tab("", id=f"tab-{view}") for view in self._views))
        yield Static(classes="note")
        with Horizontal(classes="views"):
            with VerticalScroll(id="view-task", classes="view page"):
                yield Static(classes="facts")
                yield Markdown(classes="task", open_links=False)
            yield Results()
            if self.exercise.spec.job:
                yield RunView()
            with VerticalScroll(id="view-hints", classes="view"):
                yield Markdown(classes="hints", open_links=False)

    async def on_mount(self) -> None:
        self.set_interval(0.1, self._drain)
        self._look_at("task")
        await self.retell()

    async def show(self, place: Place, snapshot: Snapshot) -> None:
        """Take from the record how many hints were taken before."""
        if standing := snapshot.standings.get(place.id):
            self._hints = max(self._hints, standing.hints)
            await self._draw_hints()

    async def retell(self) -> None:
        for button, key in zip(self.query(Button), self._pressed(), strict=True):
            button.label = Content.assemble(str(key.label), (f" {key.cap}", "dim"))
        names = {
            "task": say("Task", "任务"),
            "results": say("Results", "结果"),
            "run": say("Training", "训练"),
            "hints": say("Hints", "提示"),
        }
        for view in self._views:
            self.query_one(f"#tab-{view}", Tab).label = Content(names[view])
        self.query_one(".facts", Static).update(self._facts())
        await self.query_one(".task", Markdown).update(self.exercise.task(language()))
        await self._draw_hints()

    # Views

    def _look_at(self, view: str) -> None:
        self.query_one(Tabs).active = f"tab-{view}"

    @on(Tabs.TabActivated)
    def _tab_activated(self, event: Tabs.TabActivated) -> None:
        event.stop()
        shown = self.query_one(f"#{(event.tab.id or '').replace('tab', 'view', 1)}")
        # The focus goes first: a view that is hidden with it would lose it to nothing, and the
        # keys of this page with it.
        if self.screen.focused is None or self.query(".view:focus, .view :focus"):
            self._focus(shown)
        for view in self.query(".view"):
            view.set_class(view is shown, "-active")

    def focus_view(self) -> None:
        """Put the focus into the view that is shown."""
        self._focus(self.query_one(".view.-active"))

    def _focus(self, view: Widget) -> None:
        target = view if view.focusable else view.query_one(Log)
        self.screen.set_focus(target, scroll_visible=False)

    @on(Button.Pressed)
    async def _button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        await self.run_action(event.button.name or "")

    def _say(self, *parts: Any) -> None:
        self._note = Content.assemble(*parts)
        self.query_one(".note", Static).update(self._note)

    def _facts(self) -> Content:
        spec = self.exercise.spec
        points = sum(criterion.points for criterion in spec.criteria)
        facts = [
            say(f"{spec.minutes} min", f"{spec.minutes} 分钟"),
            say(f"{points} points", f"{points} 分"),
        ]
        if spec.job:
            facts.append(say("trains a model", "需要训练"))
        return Content.styled(" · ".join(facts), "$foreground 60%")

    # Open and edit

    def action_open(self) -> None:
        if path := self._file():
            self.app.copy_to_clipboard(str(path))
            self._log("open")
            self._say(
                ("✓ ", "$text-success"),
                str(path),
                (say("   (copied)", "   （已复制）"), "$foreground 60%"),
            )

    def action_edit(self) -> None:
        """Edit the file with the learner's editor, in this terminal."""
        path = self._file()
        if path is None:
            return
        try:
            editor = bench.editor()
        except TutorError as error:
            self._trouble(problem(error))
            return
        if not editor:
            self._say(
                say(
                    f"Set EDITOR to edit here. The file: {path}",
                    f"设置 EDITOR 后可在此编辑。文件：{path}",
                )
            )
            return
        self._log("open")
        try:
            with self.app.suspend():
                subprocess.run([*editor, str(path)], check=False)
        except (SuspendNotSupported, OSError) as error:
            self._say((f"✗ {editor[0]}: {error}", "$text-error"))

    def _file(self) -> Path | None:
        try:
            return bench.opened(self.exercise)
        except (TutorError, OSError) as error:
            self._trouble(problem(error))
            return None

    # Run and check

    async def action_run(self) -> None:
        if self.exercise.spec.job is None:
            self._say(
                say(
                    "This exercise has no training job: check it with c.",
                    "这个练习没有训练任务：按 c 批改。",
                )
            )
            return
        await self._begin("run", "run")

    async def action_check(self) -> None:
        await self._begin("check", "run" if self.exercise.spec.job else "results")

    def action_finish(self) -> None:
        """Let the training end after this step, with what it has learned."""
        try:
            self._say(bench.finish(self.exercise))
        except (TutorError, OSError) as error:
            self._trouble(problem(error))

    def stop(self) -> None:
        """End the run or check; its result says that it was interrupted."""
        if self._work is not None:
            self._work.cancel.set()

    async def _begin(self, kind: str, view: str) -> None:
        if self._work is not None:
            self._say(say("Still at work; Esc stops it.", "正在进行；按 Esc 停止。"))
            return
        done = self._work = bench.Work(kind)
        if kind == "check":
            await self.query_one(Results).wait()
        self._look_at(view)
        doing = say("Running", "正在运行") if kind == "run" else say("Checking", "正在批改")
        self._say(
            ("● ", "$primary"), doing, (say("   Esc stops it", "   按 Esc 停止"), "$foreground 60%")
        )
        if kind == "run":
            self._log("run")
        bench.start(done, self.exercise, lambda future: self._hand_over(done, future))

    def _hand_over(self, done: bench.Work, future: Future[Any]) -> None:
        trouble = problem_of(future)  # on the work's thread: only a message leaves it
        result = None if trouble else future.result()
        self.post_message(self.Ended(done, result, trouble))

    def _drain(self) -> None:
        if self._work is not None and (events := self._work.drain()):
            for run_view in self.query(RunView):
                run_view.take(events)

    @on(Ended)
    async def _ended(self, message: Ended) -> None:
        message.stop()
        if message.work is not self._work:
            return
        self._drain()
        self._work = None
        self._say("")
        if message.trouble:
            self._trouble(message.trouble)
            await self.query_one(Results).show(None)
        elif message.work.kind == "run":
            self.query_one(RunView).end(message.result)
        else:
            await self._checked(message.result)

    async def _checked(self, report: Any) -> None:
        await self.query_one(Results).show(report)
        self._look_at("results")
        if report.ending not in ("interrupted", "missing"):
            self.post_message(Checked(report))

    def _trouble(self, trouble: Problem) -> None:
        hint = f"\n→ {trouble.hint}" if trouble.hint else ""
        self._say((f"✗ {trouble.message}", "$text-error"), hint)

    # Hints

    async def action_hint(self) -> None:
        self._look_at("hints")
        if self._hints < len(self.exercise.hints()):
            self._hints += 1
            await self._draw_hints()
            self._log("hint")

    async def _draw_hints(self) -> None:
        hints = self.exercise.hints()
        shown = [f"{n}. {hint}" for n, hint in enumerate(hints[: self._hints], 1)]
        left = len(hints) - self._hints
        rest = (
            say(f"*{left} more: press h.*", f"*还有 {left} 条：按 h。*")
            if left
            else say("*No more hints.*", "*没有更多提示了。*")
        )
        await self.query_one(".hints", Markdown).update("\n\n".join([*shown, rest]))

    def _log(self, kind: str) -> None:
        self.post_message(Noted(kind, self.exercise.id))
