"""Questions that plainly ask for a tool: small patterns in both languages.

A 1.5B model chooses badly among seven tools. Where the words leave no doubt, the tool is called
before the model is asked anything; where they do, nothing here matches.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from kb import glossary
from tutor.agent.terms import words

Tool = Literal["calculate", "glossary", "lesson", "progress", "report"]


@dataclass(frozen=True)
class Call:
    """A tool that a question asks for.

    argument: what the question says of it, "" where it says nothing.
    enough: whether the knowledge base has nothing to add.
    """

    tool: Tool
    argument: str = ""
    enough: bool = True


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_MINE = r"(?:check|code|exercise|submission|solution|answer|script)s?"
_REPORT = _any(
    rf"\bwhy\b.{{0,30}}\bmy\b.{{0,30}}\b{_MINE}\b.{{0,40}}"
    r"\b(?:fail\w*|not pass\w*|wrong|not accepted|lose\w*|lost)\b",
    rf"\bwhy (?:does|did|do|is|are)\b.{{0,12}}\b(?:fail\w*|pass)\b.{{0,20}}\bmy\b.{{0,30}}\b{_MINE}\b",
    rf"\bwhat(?:'s|’s| is| was| went)? (?:is )?wrong (?:with|in) my\b.{{0,30}}\b{_MINE}\b",
    r"\bwhy (?:did|do|have) i\b.{0,20}\b(?:fail|not pass|lose|lost)\b",
    r"\bwhat did i (?:do|get) wrong\b",
    r"\bmy (?:last|latest|previous) (?:check|report)\b",
    r"我.{0,12}(?:批改|检查|提交|代码|练习|作业).{0,16}(?:为什么|为何|怎么|哪里).{0,12}(?:没|不|失败|错)",
    r"(?:为什么|为何|怎么).{0,6}我.{0,20}(?:没有?通过|没过|不通过|不过|失败|报错|错了|扣分)",
    r"我.{0,12}(?:为什么|为何|怎么)(?:没有?通过|没过|不通过|失败)",
    r"我(?:的代码|的练习|的作业)?(?:哪里|哪儿|有什么|什么地方)(?:做|写)?(?:错|不对|有?问题)",
    r"(?:最近|上)一?次(?:的)?批改",
)
_PROGRESS = _any(
    r"\bmy (?:\w+ )?progress\b",
    r"\bhow far (?:am|have) i\b",
    r"\b(?:what|which)\b.{0,30}\bhave i\b.{0,20}\b(?:done|passed|finished|completed|solved|read|left)\b",
    r"\bhow many\b.{0,30}\b(?:have|did) i\b.{0,20}\b(?:done|do|pass\w*|finish\w*|complet\w*|solv\w*|read|left)\b",
    r"\b(?:what|which)\b.{0,24}\bshould i (?:do|study|learn|solve) next\b",
    r"我的?(?:学习)?进度|我(?:现在)?学到(?:了)?(?:哪|什么)",
    r"我.{0,6}(?:完成|通过|做完|学完|读完|读)了?(?:哪些|多少|几)",
    r"我.{0,4}还(?:剩|有|差)(?:下)?(?:哪些|多少|几|什么).{0,8}(?:练习|没|课)",
    r"(?:接下来|下一步).{0,4}(?:我)?.{0,2}(?:该|应该|要)(?:学|做)(?:什么|哪)",
)
_GLOSSARY = _any(
    r"\bin (?:chinese|english|mandarin)\s*[?.!]*$",
    r"\b(?:chinese|english) (?:word|term|name|translation|for)\b",
    r"\bhow (?:do|does|would) \w+ say\b|\btranslat(?:e|ion)\b.{0,30}\b(?:term|word|chinese|english)\b",
    r"(?:中文|英文|英语|汉语)(?:怎么|如何|是|叫|名|术语|怎样|里|翻译)|(?:怎么|如何)翻译|译成|术语表",
)
LESSON = _any(r"\blessons?\b", r"课文|课程内容|这一课")
_UNIT = re.compile(
    r"\bweek\s?-?([1-8])\b|第\s?([1-8一二三四五六七八])\s?[周课]|(\bfoundations\b|基础单元)"
    r"|(\bdeployment\b|部署单元)",
    re.IGNORECASE,
)
_DIGITS = {digit: str(number) for number, digit in enumerate("一二三四五六七八", 1)}

_NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?(?:[eE][+-]?\d+)?"
_FUNCTION = r"(?:sqrt|log2|log10|log|exp|factorial)"
_ATOM = rf"(?:{_FUNCTION}\s*\(\s*{_NUMBER}\s*\)|{_NUMBER})"
_OPERATOR = r"(?:\*\*|[-+*/×÷^·−])"
_EXPRESSION = re.compile(
    rf"(?<![\w.@/-])[(（\s]*-?{_ATOM}(?:[\s()（）]*{_OPERATOR}[\s()（）]*{_ATOM})*[)）]*(?![\w@/])"
)
_CERTAIN = re.compile(rf"\*|×|÷|\^|·|{_FUNCTION}")
"""A dash or a slash between numbers may be a range or a date."""
_ASKS_VALUE = frozenset(
    words("what how calculate compute evaluate equals equal result value product sum please")
    | words("等于多少 是多少 计算一下 算一下 请计算 结果 帮我算算 得多少 等于几")
)


def routed(question: str) -> list[Call]:
    """Return the tools that a question plainly asks for, at most one of each kind."""
    if _REPORT.search(question):
        return [Call("report", _exercise(question))]
    if _PROGRESS.search(question):
        return [Call("progress")]
    if expression := explicit_expression(question):
        return [Call("calculate", expression, enough=_nothing_else(question, expression))]
    if _GLOSSARY.search(question) and (glossary.in_chinese(question) or _has_term(question)):
        return [Call("glossary", question)]
    if LESSON.search(question) and (unit := named_unit(question)):
        return [Call("lesson", unit, enough=False)]
    return []


def explicit_expression(question: str) -> str:
    """Return the arithmetic expression that stands in a question, or "".

    Only one that cannot be anything else: 7B, GPT-2, 2024-05-01, 1810.04805, 24/7 and 3-5 are
    none unless nothing but an expression is asked for.
    """
    for match in _EXPRESSION.finditer(question):
        text = match.group().strip()
        if not re.search(rf"{_OPERATOR}|{_FUNCTION}", text.lstrip("-")):
            continue
        if text.count("(") + text.count("（") != text.count(")") + text.count("）"):
            continue
        if _CERTAIN.search(text) or _nothing_else(question, text):
            return text.replace("^", "**")
    return ""


def _nothing_else(question: str, expression: str) -> bool:
    rest = question.replace(expression, " ").replace(expression.replace("**", "^"), " ")
    return words(rest) <= _ASKS_VALUE


def named_unit(question: str) -> str:
    """Return the unit of the plan that a question names, or ""."""
    match = _UNIT.search(question)
    if match is None:
        return ""
    latin, chinese, foundations, deployment = match.groups()
    if foundations or deployment:
        return "foundations" if foundations else "deployment"
    number = latin or chinese
    return f"week{_DIGITS.get(number, number)}"


def _exercise(question: str) -> str:
    """Return the exercise that a question names in full ("week5/lora"), by its name alone where
    only one has it, or by a unit; "" where it names none."""
    from exercises.spec import all_exercises

    exercises = all_exercises()
    lowered = question.lower()
    full = [e.id for e in exercises if e.id in lowered]
    if full:
        return max(full, key=len)
    spoken = lowered.replace("-", " ").replace("_", " ")
    unit = named_unit(question)
    by_name = [
        e
        for e in exercises
        if re.search(rf"(?<![a-z]){re.escape(e.name.replace('_', ' '))}(?![a-z])", spoken)
        and (not unit or e.unit == unit)
    ]
    if by_name:
        longest = max(len(e.name) for e in by_name)
        named = [e.id for e in by_name if len(e.name) == longest]
        return named[0] if len(named) == 1 else ""
    in_unit = [e.id for e in exercises if e.unit == unit]
    return in_unit[0] if len(in_unit) == 1 else ""


def _has_term(question: str) -> bool:
    return any(term in question for term in glossary.chinese_terms())
