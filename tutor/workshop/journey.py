"""The whole way of a learner's model, from the run that trained it to the tutor that answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tutor.base.i18n import say
from tutor.base.settings import Settings
from tutor.workshop import export, gates, quantize, using
from tutor.workshop.report import Report


@dataclass(frozen=True)
class Made:
    """What came of it. in_use: the name that answers now."""

    report: Report
    in_use: str


def make(
    run: str,
    settings: Settings,
    *,
    name: str = "",
    base: str = "",
    wish: quantize.Wish | None = None,
    trial: gates.Trial | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Made:
    """Merge the run's adapter into its unquantized base, write it as GGUF, quantize that, prove
    every file and answer with the best that passed.

    Raises TutorError where a step fails; what was in use before then stays in use.
    """
    wish = wish or quantize.Wish(("Q8_0", "Q4_K_M"), imatrix=True)
    tell(say(f"exporting {run}", f"正在导出 {run}"))
    made = export.export(run, settings, name=name, base=base)
    made = quantize.quantize(made.name, wish, tell)
    made = gates.prove(made.name, wish.types, tell, trial)
    return Made(made, using.use(f"{made.name}:{quantize.best(made)}"))
