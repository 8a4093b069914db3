"""Teaching: hints before solutions, and explanations at the learner's level."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import curriculum
from exercises.hints import Hint, take_hint
from exercises.spec import Exercise, all_exercises
from tutor.agent.events import Answer
from tutor.base.i18n import Bilingual, Language
from tutor.base.settings import Settings
from tutor.progress import Progress

Level = Literal["child", "beginner", "engineer", "researcher"]

LEVELS: dict[Level, Bilingual] = {
    "child": Bilingual(
        " Use short sentences and everyday words, as for a child.",
        "句子要短，用日常的词，讲给孩子听。",
    ),
    "beginner": Bilingual(
        " Explain each technical term in a few words, as for a beginner.",
        "面向初学者，用几个字解释每个术语。",
    ),
    "engineer": Bilingual(
        " Answer for an engineer: settings, names and figures first.",
        "面向工程师，先说参数、名称和数字。",
    ),
    "researcher": Bilingual(
        " Answer for a researcher: the method, its figures and its limits.",
        "面向研究者，说清方法、数字和局限。",
    ),
}


@dataclass(frozen=True)
class ExerciseQuestion:
    """A question about an exercise: how to solve it, or why its check did not pass."""

    exercise: Exercise
    kind: Literal["solve", "why_failed"]


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_SOLVE = _any(
    r"(?<!my )\bsolutions?\b|\bsolv(?:e|ing)\b|\bhints?\b|\bstuck\b|\banswer (?:to|of|for)\b",
    r"\b(?:do|should|must|can|would) i (?:write|put|code|implement|fill|complete|do|pass)\b",
    r"\bhow to (?:write|implement|complete|do|pass)\b|\bwrite (?:it|the code|that) for me\b",
    r"\b(?:give|show|tell|send|write) me\b.{0,20}\b(?:code|answer)\b|\bfull code\b",
    r"答案|解答|解法|题解|提示|卡住|思路|(?:怎么|如何|怎样|咋)[写做解填实完]|写什么|填什么|该写",
    r"不会[写做]|帮我.{0,4}[写做解]|(?:完整|参考)代码|给我.{0,6}代码",
)
_WHY_FAILED = _any(
    r"\bfail(?:s|ed|ing)?\b|\b(?:not|n't|never) pass\b|\bwrong\b|\berrors?\b|\blos[et]\b.{0,12}\bpoints?\b",
    r"没有?通过|不通过|通不过|没过|失败|报错|出错|不对|错在|扣分",
)
_MINE = _any(
    r"\bthe exercise\b|\b(?:this|my) (?:exercise|check|submission|assignment)\b",
    r"\bmy (?:code|solution)\b",
    r"这道?题|(?:这个|我的|这道)(?:练习|作业|检查|批改|提交|代码)|批改|习题",
)
_NEXT = _any(
    r"^(?:and )?(?:(?:the )?next|more|another|go on|continue)\b|\b(?:another|next|more) (?:one|hints?)\b",
    r"^(?:继续|再来|还有|再给|下一)|下一[条个]",
)


def exercise_question(
    question: str, *, current: str = "", hinted: str = ""
) -> ExerciseQuestion | None:
    """Return what the question asks about an exercise; None for any other, even where it names
    an exercise or what it is about.

    current: the exercise that "this exercise" and "my check" mean. hinted: the one whose hint the
    answer before this was; "the next one" then asks for its next hint.
    """
    known = {exercise.id: exercise for exercise in all_exercises()}
    if hinted in known and _NEXT.search(question):
        return ExerciseQuestion(known[hinted], "solve")
    mine = known.get(current) if _MINE.search(question) else None
    exercise = _named(question) or mine
    if exercise is None:
        return None
    if _SOLVE.search(question):
        return ExerciseQuestion(exercise, "solve")
    return ExerciseQuestion(exercise, "why_failed") if _WHY_FAILED.search(question) else None


def _named(question: str) -> Exercise | None:
    """Return the exercise that is named in full ("week5/lora"), or as "the lora exercise"."""
    asked = question.lower()
    for exercise in sorted(all_exercises(), key=lambda e: -len(e.name)):
        name = rf"(?<!\w){re.escape(exercise.name).replace('_', '[ _-]')}(?!\w)"
        word = r"[\s`\"'“”]*(?:exercise|练习|作业)"
        before = r"(?:exercise|练习|作业)[\s`\"'“”]*"
        if re.search(rf"{exercise.unit}[ /]{name}|{name}{word}|{before}{name}", asked):
            return exercise
    return None


def next_hint(exercise: Exercise, question: str, lang: Language, record: Progress) -> Answer:
    """Take the next hint of the exercise and return it as an answer. Its solution is never shown:
    who has passed is told where it lies."""
    if record.standing(exercise.id).passed:
        text = _pick(lang, *_passed(exercise))
    else:
        text = _hint_text(exercise, take_hint(exercise, record), lang)
    return Answer(question, text, (), True, 0.0, 0.0, 0, exercise=exercise.id)


def _hint_text(exercise: Exercise, hint: Hint, lang: Language) -> str:
    place = f"{exercise.id}, {hint.number}/{hint.of}"
    head = _pick(lang, f"A hint before the solution ({place}):", f"先给一条提示（{place}）：")
    if hint.number < hint.of:
        after = _pick(lang, 'For the next one, ask "next hint".', "想看下一条，就问“下一条提示”。")
    else:
        after = _pick(lang, *_what_remains(exercise))
    return f"{head}\n\n{getattr(hint.text, lang)}\n\n{after}"


def _what_remains(exercise: Exercise) -> tuple[str, str]:
    name = exercise.id
    return (
        f"That was the last hint. What remains is to try: `tutor open {name}`, then `tutor check "
        f"{name}`, which says what is still missing. You can read the solution once you have "
        "passed.",
        f"提示到此为止，接下来动手试：`tutor open {name}`，再用 `tutor check {name}` 查看还差什么。"
        "通过之后可以阅读参考答案。",
    )


def _passed(exercise: Exercise) -> tuple[str, str]:
    file = exercise.folder / "solution.py"
    return (
        f"You have passed {exercise.id}. Compare your file with the solution: `{file}`",
        f"你已通过 {exercise.id}。可以把自己的文件与参考答案对照：`{file}`",
    )


def style(level: Level | None, settings: Settings, lang: Language) -> str:
    """Return the end of the prompt that says for whom to explain: the level that was asked for,
    else the week that the learner has set; "" where neither is there."""
    if level is not None:
        return getattr(LEVELS[level], lang)
    if settings.week == 0:
        return ""
    title = getattr(curriculum.unit(str(settings.week)).title, lang)
    return _pick(
        lang,
        f" The reader is at this point of the course: {title}.",
        f"读者正学到课程的这一部分：{title}。",
    )


def _pick(lang: Language, en: str, zh: str) -> str:
    return zh if lang == "zh" else en
