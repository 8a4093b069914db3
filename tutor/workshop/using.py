"""Which model answers: switched in one step, and back."""

from __future__ import annotations

import shutil
from pathlib import Path

from tutor import engine
from tutor.base import assets
from tutor.base import settings as settings_
from tutor.base.errors import Exit, TutorError
from tutor.base.i18n import say
from tutor.engine.process import chat_model, find
from tutor.workshop import report
from tutor.workshop.quantize import best
from tutor.workshop.report import ModelFile


def resolve(name: str) -> str:
    """Return the full name of a model: of the learner's own, NAME means its best NAME:TYPE.

    Raises TutorError for a name that means no chat model, MissingError where it is not there.
    """
    if name.endswith(".gguf") and Path(name).is_file():
        return str(Path(name).resolve())
    if name in assets.own_models():
        return name
    if name in report.names():
        return f"{name}:{best(report.load(name))}"
    if assets.asset(name).kind != "chat":
        raise TutorError(
            say(f"{name} is not a chat model.", f"{name} 不是对话模型。"),
            say("See: tutor model list", "请查看：tutor model list"),
        )
    assets.path(name)
    return name


def own_file(name: str) -> ModelFile | None:
    """Return what is known of one of the learner's own models; None for any other."""
    if name not in assets.own_models():
        return None
    model, _, type_ = name.partition(":")
    return report.load(model).files.get(type_)


def use(name: str, *, force: bool = False) -> str:
    """Answer with this model from now on; return its full name.

    One of the learner's own must have passed its gates, or be forced, and must load. Settings
    change in one step at the end: whatever fails before, the old model stays in use.
    """
    name = resolve(name)
    file = own_file(name)
    if file and not force:
        refuse_failing(name, file)
    if file:
        _prove_it_loads(name)
    settings = settings_.load()
    settings_.update(model=name, previous_model=_answering(settings, name))
    engine.stop()
    return name


def _answering(settings: settings_.Settings, new: str) -> str:
    """The model to return to: the one that answers now, unless it is the new one itself."""
    now = chat_model(settings)
    return settings.previous_model if now == new else now


def rollback() -> str:
    """Answer with the model before; return its name. Twice brings back the first.

    Raises TutorError where there is none to return to, MissingError where it is gone.
    """
    settings = settings_.load()
    before = settings.previous_model
    if not before:
        raise TutorError(
            say("No other model answered before.", "之前没有用过别的模型。"),
            say("Choose one: tutor model use NAME", "请选择：tutor model use 名称"),
        )
    find(before)
    settings_.update(model=before, previous_model=chat_model(settings))
    engine.stop()
    return before


def refuse_failing(name: str, file: ModelFile) -> None:
    """Raise TutorError naming the gates that the model did not pass, or that were not run."""
    model = name.partition(":")[0]
    if not file.gates:
        raise TutorError(
            say(f"The gates of {name} have not been run.", f"{name} 还没有过关卡。"),
            say(f"Run: tutor model gates {name}", f"请运行：tutor model gates {name}"),
            Exit.NOT_PASSED,
        )
    failed = [
        f"{gate_name} ({gate.figure:.4g}, {'≥' if gate.least else '≤'} {gate.bound:g})"
        for gate_name, gate in file.gates.items()
        if not gate.passed
    ]
    if failed:
        shown = ", ".join(failed)
        raise TutorError(
            say(f"{name} did not pass: {shown}.", f"{name} 未通过：{shown}。"),
            say(
                f"tutor model gates {model} shows more; --force uses it all the same.",
                f"tutor model gates {model} 查看详情；--force 可强制使用。",
            ),
            Exit.NOT_PASSED,
        )


def _prove_it_loads(name: str) -> None:
    from tutor.engine.probe import probe

    located = find(name)
    lora = Path(located.lora) if located.lora else None
    seen = probe(Path(located.file), lora)
    if not seen.ok:
        raise TutorError(
            say(f"{name} does not run: {seen.detail}.", f"{name} 无法运行：{seen.detail}。"),
            say(
                "The model that answered before still does.",
                "仍由之前的模型回答。",
            ),
            Exit.MISSING,
        )


def remove(name: str) -> int:
    """Delete a model of the learner's own with all its files; return the bytes that this frees.

    Raises TutorError where it is in use, or what a rollback would return to.
    """
    known = report.load(name)
    settings = settings_.load()
    for kept in (chat_model(settings), settings.previous_model):
        if kept.partition(":")[0] == name:
            raise TutorError(
                say(f"{kept} is in use, or was just before.", f"{kept} 正在使用，或刚刚用过。"),
                say("First: tutor model use ANOTHER", "请先：tutor model use 另一个模型"),
            )
    for type_ in known.files:
        assets.register(f"{name}:{type_}", None)
    shutil.rmtree(known.folder)
    return sum(file.bytes for file in known.files.values())
