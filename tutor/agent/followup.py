"""A follow-up question made to stand alone, by rule: a model call would double the wait.

"and its default?" after a question about use_rslora becomes "and its default? (about: use_rslora)":
one text, for the search and for the model. What stands alone stays as it is.
"""

from __future__ import annotations

import re

from kb import glossary
from kb.words import ENGLISH_STOP, is_chinese, question_words
from tutor.agent.terms import names
from tutor.base.i18n import detect

MOST_TERMS = 8
"""Terms that a follow-up takes along; in a long conversation the oldest fall off the end."""
FROM_ANSWER = 3

_ENGLISH = (
    "advantage again answer benefit best better bigger bit case cheaper code cost default detail "
    "difference disadvantage downside drawback effect elaborate equation example explain "
    "explanation faster formula further give impact limit limitation meaning name number ok paper "
    "part point practice problem purpose quick reason result say shorter show simpler simple size "
    "slower smaller source step tell thank thing understand unit value word work worse wrong yes"
)
_CHINESE = (
    "默认 默认值 缺省 优点 缺点 优势 劣势 好处 坏处 公式 原因 目的 作用 例子 举例 举个 例 细节 详细 含义 "
    "意思 局限 结果 影响 步骤 代码 效果 代价 论文 出处 来源 作者 数值 单位 解释 说明 具体 简单 继续 明白 "
    "理解 清楚 问题 更 再 点 些 一点 一些 谢谢 好的 道理 必须 一定 真的 这样 那样 这么 那么 多 大 做"
)
_RELATIONS = frozenset(f"{_ENGLISH} {_CHINESE}".split())
"""Words that say what is asked about a thing, and not which thing: "the default", "an example"."""

_ASKS = re.compile(
    r"\b(?:what|which|how|why|when|where|who|is|are|do|does|did|can|could|should|would|will)\b"
    r"|什么|怎么|怎样|如何|哪|为何|多少|几|吗|是否|能不能|可不可以|有没有|区别",
    re.IGNORECASE,
)
_LED = re.compile(
    r"^(?:(?:what about|how about|why not|okay|and|but|so|or|also|then|ok)\b"
    r"|那么?|还有|另外|可是|但是?|所以|然后|而且?)[\s,，]*",
    re.IGNORECASE,
)
_PRONOUN = re.compile(
    r"\b(?:its?|they|them|their|the (?:former|latter|above)|the same(?=\W*$)"
    # Not "this week", and not "this error: ...", which says what it means.
    r"|(?:this|these|those)(?! (?:week|course|lesson|exercise|unit|plan|project)\b)(?![^?]*[:`])"
    r"|(?:^is|(?:why|how|what) is|of|by|does|did|do|about|than|like|with|for|from) that)\b"
    r"|它们?|(?<![尤极与])其(?![中他它实余次])|这(?!周|门|节|一周|道|几周|个练习|[^？]*：)|那(?!么)"
    r"|上面|上述|前者|后者|刚才",
    re.IGNORECASE,
)
_EXPLETIVE = re.compile(
    r"\bit (?:(?:is|be|was) )?(?:true|possible|better|best|necessary|worth|safe|enough|important|"
    r"useful|ok|okay|normal|common|hard|easy|usual|take|cost|make sense|mean (?:to|when|if|that))\b",
    re.IGNORECASE,
)
_AUXILIARY = re.compile(
    r"\b(?:is|are|was|were|do|does|did|can|could|should|would|will|has|have|must|may)\s+$",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(
    r"[,;:.!?，；：。！？]|\b(?:and|but|because|if|when|while|so)\b", re.IGNORECASE
)
_NOUN = re.compile(r"\b(?i:an?|the|my|your|each|every) \w{3,}|(?<=\S )[A-Z]\w+")
_LAST_WORD = re.compile(r"[a-z]+\s*$")
_TOKEN = re.compile(r"[\u3400-\u9fff]+|[A-Za-z0-9_]+(?:[./+-][A-Za-z0-9_]+)*")
_ABOUT = re.compile(r"\(about: (.*)\)$|（关于：(.*)）$")
_SENTENCE = re.compile(r"[。！？]|[.!?](?=\s|$)")


def standalone(question: str, asked: str, answered: str = "") -> str:
    """Return the question as it is where it stands alone, else with what it is about behind it.

    asked: the question before it, itself made to stand alone. answered: its answer, if any: names
    of its first sentence are taken along, for "it" may be what the answer brought up.
    """
    if not is_follow_up(question):
        return question
    said = question.lower()
    terms = [
        t for t in [*topic(asked), *_names_of_answer(answered, asked)] if t.lower() not in said
    ]
    if not terms:
        return question
    if detect(question) == "zh":
        return f"{question}（关于：{'、'.join(terms[:MOST_TERMS])}）"
    return f"{question} (about: {', '.join(terms[:MOST_TERMS])})"


def is_follow_up(question: str) -> bool:
    """Tell whether the question needs the one before it: it names nothing to be about, it goes on
    from something, or a pronoun in it stands for something outside it."""
    return _names_nothing(question) or _goes_on(question) or _refers_back(question)


def topic(question: str) -> list[str]:
    """Return the words that say what a question is about, in order, each once. In a question that
    was made to stand alone, its own words come first, then what it took along."""
    if found := _ABOUT.search(question):
        carried = re.split(r", |、", found[1] or found[2])
        return list(dict.fromkeys([*topic(question[: found.start()]), *carried]))
    terms: dict[str, None] = {}
    for match in _TOKEN.finditer(question):
        token = match[0]
        if is_chinese(token):
            terms.update(dict.fromkeys(_longest(question_words(token))))
        elif token.lower() not in ENGLISH_STOP:
            terms[token] = None
    return list(terms)


def _names_of_answer(answer: str, asked: str) -> list[str]:
    first = _SENTENCE.split(answer.strip(), maxsplit=1)[0]
    return [name for name in names(first) if name.lower() not in asked.lower()][:FROM_ANSWER]


def _longest(words: list[str]) -> list[str]:
    """Leave out the words inside longer ones, which the cutter gives too."""
    return [w for w in words if not any(w != other and w in other for other in words)]


def _names_nothing(question: str) -> bool:
    own = (word for word in question_words(question) if len(word) > 1 or is_chinese(word))
    return not names(question) and all(
        word.isdigit() or word in _RELATIONS or word.removesuffix("s") in _RELATIONS for word in own
    )


def _goes_on(question: str) -> bool:
    """Tell whether it begins with "and", "那" and the like, or is a bare "…呢？"; one that asks a
    whole question about something with a name of its own needs no other."""
    rest = _LED.sub("", question)
    asks = _ASKS.search(rest)
    if rest == question and not re.search(r"呢[？?]?$", question):
        return False
    if rest == question and asks:
        return False  # 呢 at the end of a whole question is only a particle
    return not (asks and names(rest))


def _refers_back(question: str) -> bool:
    for pronoun in _PRONOUN.finditer(question):
        if _EXPLETIVE.match(question, pronoun.start()) or _LED.match(question[pronoun.start() :]):
            continue
        before = question[: pronoun.start()]
        if _AUXILIARY.search(before):
            # "How much memory does it need?": the clause's own nouns are not what "it" is.
            ends = [end.end() for end in _CLAUSE_END.finditer(before)]
            before = before[: ends[-1]] if ends else ""
        before = _LAST_WORD.sub("", before)  # "merge it": the verb is a term too
        if not (_has_term(before) or _NOUN.search(before)):
            return True
    return False


def _has_term(text: str) -> bool:
    """Tell whether the text names something: an identifier, an acronym, a term of the field."""
    return bool(names(text) or glossary.in_chinese(text) or glossary.in_english(text))
