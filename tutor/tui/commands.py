"""The command palette: what can be done, then where one can go, in that order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.command import DiscoveryHit, Hit, Hits, Provider

import curriculum
from tutor.base.i18n import say
from tutor.tui.places import PREFER, Place
from tutor.tui.widgets.plan_tree import unit_title

if TYPE_CHECKING:
    from tutor.tui.app import TutorApp


@dataclass(frozen=True)
class Command:
    """A line of the palette."""

    title: str
    help: str
    do: Callable[[], Any]


class Commands(Provider):
    """Feeds the palette from the application that is running."""

    async def discover(self) -> Hits:
        for command in self._commands():
            yield DiscoveryHit(command.title, command.do, help=command.help)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for command in self._commands():
            if (score := matcher.match(command.title)) > 0:
                # week5/lora is found before week5/lora_from_scratch, which begins with it.
                score += command.title.endswith(f" {query}")
                yield Hit(score, matcher.highlight(command.title), command.do, help=command.help)

    def _commands(self) -> Iterator[Command]:
        app: TutorApp = self.app  # type: ignore[assignment]
        yield from _actions(app)
        yield from _places(app)


def _actions(app: TutorApp) -> Iterator[Command]:
    study = app.study
    ask = say("the answer cites its sources", "回答会注明出处")
    yield Command(say("Ask a question", "提问"), ask, study.action_ask)
    past = say("search them and go on from one", "搜索并从中继续")
    yield Command(say("Past questions", "提问历史"), past, study.action_history)
    order = say("in the order of the plan", "按计划的顺序")
    yield Command(say("Next open exercise", "下一道未完成的练习"), order, study.action_next)
    cards = say("the cards that are due", "复习到期的卡片")
    yield Command(say("Quiz", "测验"), cards, study.action_quiz)
    pairs = say("choose between two answers of the model", "在模型的两个回答之间选择")
    yield Command(say("Preferences", "偏好"), pairs, partial(study.visit, PREFER))
    yield Command(
        say("切换为中文 (Chinese)", "Switch to English（英文）"),
        say("the language of the interface", "界面语言"),
        app.action_language,
    )
    colours = say("change the colours", "更换配色")
    yield Command(say("Theme", "主题"), colours, app.action_change_theme)
    keys = say("every key and what it does", "所有按键及其作用")
    yield Command(say("Help: keys", "帮助：按键"), keys, app.action_help)
    yield Command(say("Quit", "退出"), say("leave the tutor", "退出程序"), app.action_quit)


def _places(app: TutorApp) -> Iterator[Command]:
    """With their names on the command line: who knows `week5/lora` types it here too."""
    go = app.study.visit
    for unit in curriculum.units():
        title = f"{say('Unit', '单元')} {unit_title(unit)} · {unit.id}"
        yield Command(title, str(unit.summary), partial(go, Place("unit", unit.id)))
    for unit in curriculum.units():
        title = f"{say('Lesson', '课文')} {unit_title(unit)} · {unit.id}"
        yield Command(title, str(unit.summary), partial(go, Place("lesson", unit.id)))
    for exercise in app.study.snapshot.exercises:
        title = f"{say('Exercise', '练习')} {exercise.spec.title} · {exercise.id}"
        yield Command(
            title, str(exercise.spec.summary), partial(go, Place("exercise", exercise.id))
        )
