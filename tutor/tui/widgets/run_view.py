"""A training job as it goes: progress, the loss as a curve, what the script prints."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Log, Sparkline, Static

from tutor.base.i18n import say

BAR = 16


class RunView(Vertical):
    """Fed with exercises.jobs events through `take`."""

    def __init__(self) -> None:
        super().__init__(id="view-run", classes="view")
        self._losses: deque[float] = deque(maxlen=2000)
        self._step: Any = None
        self._ending = Content("")

    def compose(self) -> ComposeResult:
        yield Static(id="run-status")
        yield Sparkline([], id="run-loss", summary_function=min)
        yield Log(id="run-log", max_lines=2000)

    def on_mount(self) -> None:
        self.retell()

    def take(self, events: Iterable[Any]) -> None:
        """Draw what has happened since the last time."""
        from exercises import jobs

        lines: list[str] = []
        for event in events:
            match event:
                case jobs.Started():
                    self._begin()
                    lines = [say("resuming the interrupted run", "继续上次中断的运行")]
                    lines *= event.resumed
                case jobs.Step():
                    self._step = event
                    if event.loss is not None:
                        self._losses.append(event.loss)
                case jobs.Line() | jobs.Waiting():
                    lines.append(event.text)
        if lines:
            self.query_one(Log).write_lines(lines)
        self._draw()

    def end(self, result: Any) -> None:
        """Say how the run ended (exercises.jobs.JobResult)."""
        if result.finished:
            seconds = f"{result.seconds:.0f} s"
            text = say("run before, nothing to do", "之前已运行过") if result.cached else seconds
            done = say("Finished", "运行完成")
            if result.stopped_early:
                text += say("   ended early, as asked", "   已按要求提前结束")
            self._ending = Content.assemble(("✓ ", "$text-success"), (done, "bold"), f"  {text}")
            if not self.query_one(Log).line_count:
                self.query_one(Log).write_lines(result.output.splitlines())
        else:
            self._ending = Content.assemble(("✗ ", "$text-error"), result.message)
        self._draw()

    def _begin(self) -> None:
        """Forget the run before."""
        self._losses.clear()
        self._step, self._ending = None, Content("")
        self.query_one(Log).clear()

    def retell(self) -> None:
        self._draw()

    def _draw(self) -> None:
        status = Content("\n").join(part for part in (self._ending, self._progress()) if part)
        nothing = Content.styled(
            say("Press r to run the job.", "按 r 运行训练任务。"), "$foreground 60%"
        )
        self.query_one("#run-status", Static).update(status or nothing)
        log = self.query_one(Log)
        log.set_class(not log.line_count, "-empty")
        loss = self.query_one(Sparkline)
        loss.display = len(self._losses) > 1
        loss.data = list(self._losses)

    def _progress(self) -> Content:
        step = self._step
        if step is None:
            return Content("")
        full = round(BAR * min(1.0, step.step / max(step.steps, 1)))
        figures = f"  {step.step}/{step.steps}"
        if step.loss is not None:
            figures += f"   loss {step.loss:.3f}"
        if step.tokens_per_s is not None:
            figures += f"   {step.tokens_per_s:.0f} tokens/s"
        if step.rss_mb:
            figures += f"   {step.rss_mb:.0f} MB"
        return Content.assemble(
            ("━" * full, "$primary"), ("━" * (BAR - full), "$surface-lighten-2"), figures
        )
