"""`tutor model build-own`: data → SFT → DPO → export → quantize → gates → evaluation.

What a stage leaves lies in TUTOR_HOME/builds/NAME until the model has its folder. A stage that was
ended is gone on with by the next call; one that is finished is not done again.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
from filelock import FileLock, Timeout

from exercises import jobs
from kb import KnowledgeBase
from tutor.base import home
from tutor.base.errors import TutorError
from tutor.base.i18n import say
from tutor.base.settings import Settings
from tutor.workshop import export, files, gates, quantize, report
from tutor.workshop.own import bases, data, fit, replies
from tutor.workshop.own.bases import Recipe
from tutor.workshop.own.material import Agent
from tutor.workshop.report import Evaluated, Report
from tutor.workshop.source import NOTES

STATE = "build.json"
FEWEST = 24
"""Examples of the shortest build: fewer leave nothing held out."""
OWN_ANSWERS = 0.1
"""Share of the examples that the tiny base answers itself, for its own mistakes among the rejected
answers; a reply of the default's costs ten times as much and is left to --writer."""

Say = Callable[[str], None]
Examine = Callable[[str, Path, int | None, Path], dict[str, Any]]
"""Asks a registered model the questions of a file, as `tutor eval` does: model, file, how many,
where the rows go."""


@dataclass(frozen=True)
class Order:
    """What to build. hours: of training; 0: the base's own. written: answers that the chat model
    `writer` writes. questions: to ask the base and the new model, of which the first `limit`."""

    name: str
    base: str = "tiny"
    hours: float = 0.0
    writer: str = ""
    written: int = 0
    questions: Path | None = None
    limit: int | None = None


@dataclass(frozen=True)
class Around:
    """What lies above the workshop, or is open already."""

    agent: Agent
    kb: KnowledgeBase
    settings: Settings
    trial: gates.Trial
    examine: Examine


@dataclass
class State:
    """build.json: what the build is of, and the seconds of each stage that is finished."""

    base: str
    hours: float
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Built:
    """What came of it."""

    report: Report
    data: data.Manifest
    training: dict[str, Any]
    seconds: dict[str, float]


def build(order: Order, around: Around, tell: Say) -> Built:
    """Build a model, or go on with one. Raises TutorError for a name that stands for another build
    or is being built, MissingError where the base, the knowledge base or room on the disk is not
    there. Failing gates raise nothing: they stand in the report."""
    chosen = bases.recipe(order.base)
    folder = home.home() / "builds" / files.folder_of(order.name).name
    with _alone(folder):
        state = _state(folder, order, chosen)
        stages = _Stages(folder, state, tell)
        with stages("data"):
            manifest = _data(folder, order, chosen, state.hours, around, tell)
        with stages("training"), jobs.Turn(lambda waiting: tell(waiting.text)):
            training = fit.fit(folder, chosen, state.hours, tell)
        with stages("export"):
            made = _export(folder, order.name, chosen, manifest, training, around.settings)
        with stages("quantize"):
            todo = tuple(type_ for type_ in chosen.types if type_ not in made.files)
            if todo:
                made = quantize.quantize(order.name, quantize.Wish(todo, imatrix=True), tell)
        with stages("gates"):
            todo = tuple(type_ for type_ in chosen.types if not made.files[type_].gates)
            if todo:
                made = gates.prove(order.name, todo, tell, around.trial)
        if order.questions:
            with stages("evaluation"):
                made = _evaluate(folder, order, chosen, made, around, tell)
        return Built(made, manifest, training, state.seconds)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with files.disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise TutorError(
            say(f"{folder.name} is being built already.", f"{folder.name} 正在构建中。"),
            say(
                "Wait for it, or choose another: --name NAME", "请等它完成，或换个名字：--name 名称"
            ),
        ) from error
    try:
        yield
    finally:
        lock.release()


def _state(folder: Path, order: Order, chosen: Recipe) -> State:
    """Return how far the build is. More hours, or fewer, count from where the training is."""
    path = folder / STATE
    if path.exists():
        state = msgspec.json.decode(path.read_bytes(), type=State)
        if state.base != order.base:
            raise TutorError(
                say(f"{order.name} is built on {state.base!r}.",
                    f"{order.name} 以 {state.base!r} 为底座。"),
                say("Choose another: --name NAME", "请换个名字：--name 名称"),
            )  # fmt: skip
        state.hours = order.hours or state.hours
        files.write_json(path, state)
        return state
    if files.folder_of(order.name).exists():
        raise TutorError(
            say(f"There is a model {order.name} already.", f"已有名为 {order.name} 的模型。"),
            say("Choose another: --name NAME", "请换个名字：--name 名称"),
        )
    state = State(order.base, order.hours or chosen.hours)
    files.write_json(path, state)
    return state


class _Stages:
    """Says what is going on, and writes down how long it took."""

    def __init__(self, folder: Path, state: State, tell: Say) -> None:
        self.folder = folder
        self.state = state
        self.tell = tell

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        at = time.strftime("%H:%M:%S")
        self.tell(say(f"[{at}] {name}", f"[{at}] {_NAMES[name]}"))
        began = time.monotonic()
        try:
            yield
        finally:
            spent = self.state.seconds.get(name, 0.0) + time.monotonic() - began
            self.state.seconds[name] = round(spent, 1)
            files.write_json(self.folder / STATE, self.state)


_NAMES = {
    "data": "数据", "training": "训练", "export": "导出", "quantize": "量化", "gates": "关卡",
    "evaluation": "评测",
}  # fmt: skip


def _data(
    folder: Path, order: Order, chosen: Recipe, hours: float, around: Around, tell: Say
) -> data.Manifest:
    target = folder / data.FOLDER
    if (target / data.MANIFEST).exists():
        return msgspec.json.decode((target / data.MANIFEST).read_bytes(), type=data.Manifest)
    target.mkdir(exist_ok=True)
    count = max(FEWEST, round(chosen.examples * hours))
    size = data.Size(count, chosen.langs, 4 * chosen.tokens)
    made = data.gather(around.agent, around.kb, size, target, tell)
    if len(made) < FEWEST:
        raise TutorError(
            say(f"The knowledge base gave {len(made)} examples only.",
                f"知识库只给出了 {len(made)} 条样本。"),
            say("Add to it: tutor kb sync", "请先补充资料：tutor kb sync"),
        )  # fmt: skip
    own = round(OWN_ANSWERS * len(made)) if order.base == "tiny" else 0
    wish = replies.Wish(order.writer, order.written, chosen.asset, own)
    made = replies.add(made, around.agent, wish, target, tell)
    manifest = data.write(target, made)
    tell(say(f"{len(made)} examples: {manifest.kinds}", f"{len(made)} 条样本：{manifest.kinds}"))
    return manifest


def _export(
    folder: Path, name: str, chosen: Recipe, manifest: data.Manifest, training: dict[str, Any],
    settings: Settings,
) -> Report:  # fmt: skip
    """Give the adapter its model's folder, with the data beside it."""
    if name not in report.names():
        figures = {
            f"{phase}_{figure}": value
            for phase, found in training.items()
            for figure, value in found.items()
        }
        files.write_json(folder / NOTES, {"data": manifest.sources, "run": figures})
        export.export(str(folder), settings, name=name, base=chosen.asset)
    made = report.load(name)
    target = made.folder / data.FOLDER
    if not target.exists():
        part = target.with_name("data.part")
        shutil.rmtree(part, ignore_errors=True)
        with files.disk_errors(target):
            part.mkdir()
            for listed in (*manifest.files, data.MANIFEST):
                shutil.copyfile(folder / data.FOLDER / listed, part / listed)
            part.rename(target)
    return made


def _evaluate(
    folder: Path, order: Order, chosen: Recipe, made: Report, around: Around, tell: Say
) -> Report:
    """Ask the base and the model the same questions; both columns go into the report."""
    assert order.questions is not None
    sha = files.sha256(order.questions)
    columns = []
    for model in (chosen.asset, f"{order.name}:{quantize.best(made)}"):
        tell(say(f"asking {model} the questions", f"正在用 {model} 回答评测题"))
        rows = folder / f"eval-{model.replace(':', '-')}-{sha[:8]}.rows.jsonl"
        figures = around.examine(model, order.questions, order.limit, rows)
        columns.append(Evaluated(model, order.questions.name, sha, figures))
    made = replace(made, evaluated=tuple(columns))
    report.save(made)
    return made
