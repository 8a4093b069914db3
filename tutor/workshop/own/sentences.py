"""Passages' telling sentences, and the question that each of them answers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kb.words import without_links

SHORTEST, LONGEST = 6, 38
"""Words of a sentence that is worth an answer: two of the longest are over what the agent shows."""
ZH_SHORTEST, ZH_LONGEST = 14, 80
"""The same in Chinese characters."""

_CODE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_LINE = re.compile(r"^\s*(?:[-*+>]|\d+[.)]|#+)\s+")
_END = re.compile(r"(?<=[.!?])(?<!e\.g\.)(?<!i\.e\.)(?<!al\.)(?<!Fig\.)(?<!vs\.)\s+(?=[A-Z`\"“])")
_END_ZH = re.compile(r"(?<=[。！？；])")
_REFERENCE = re.compile(r"\s*\[\d{1,3}(?:\s*[,–-]\s*\d{1,3})*\]")
_ODD = re.compile(
    r"\b(?:below|above|this section|this chapter|this paper|this tutorial)\b| [,.;] | @|[<>|{}\\$=©]|https?:|\*\*|__|\.\.\.|^\W*$|[\u0370-\u03ff\ufffd]|!\[|\]\("
)
_DANGLING = re.compile(
    r"(?:It|Its|This|These|That|Those|They|Their|He|She|His|Her|We|Our|You|Your|Here|There|I|Let|Now"
    r"|As|And|But|So|Thus|Hence|However|Therefore|Then|Also|Both|Such|See|Note|Next|First|Second"
    r"|Finally|Once|Instead|Moreover|Furthermore|Additionally|Similarly|Figure|Table|Section|What"
    r"|Which|Who|How|Why|Each|Another|Other|Some|Many|One|Following|Below|Above|After|Before"
    r"|For|In|On|At|By|With|From|While|Although|Since|Because|Given|Using|Like|Unlike|Without|Up"
    r"|Make|Click|Check|Use|Run|Try|All|Any|Most|Several|Few|Optionally|Alternatively|Currently"
    r"|Usually|Often|Today|Recently|E\.g|I\.e|Again|Still|Even|Just|Only|Please|Feel|Don't)\b"
)
_DANGLING_ZH = re.compile(
    r"(?:这|那|它|其|他|她|我们|你|您|此|该|但|因此|所以|然后|接下来|首先|其次|最后|另外|同时|例如|比如"
    r"|下面|上面|以下|以上|注意|如图|如下|不过|而且|而|并|在这|请|图|表|让我们|对于|通过|由于|为了)"
)

_NP = r"(?P<np>(?:(?:The|A|An) )?[`A-Za-z][\w`'’./+-]*(?: (?!is\b|are\b|was\b|were\b|that\b|which\b|and\b|or\b)[\w`'’./+-]+){0,5})"
_BASES = {
    "uses": "use", "takes": "take", "needs": "need", "requires": "require", "returns": "return",
    "adds": "add", "contains": "contain", "freezes": "freeze", "trains": "train",
    "learns": "learn", "reduces": "reduce", "computes": "compute", "provides": "provide",
    "supports": "support", "allows": "allow", "combines": "combine", "measures": "measure",
    "replaces": "replace", "stores": "store", "loads": "load", "generates": "generate",
    "predicts": "predict", "produces": "produce", "improves": "improve", "increases": "increase",
    "splits": "split", "maps": "map", "converts": "convert", "handles": "handle",
    "controls": "control", "determines": "determine", "enables": "enable", "defines": "define",
    "introduces": "introduce", "applies": "apply", "creates": "create", "keeps": "keep",
    "represents": "represent", "accepts": "accept", "expects": "expect", "saves": "save",
    "achieves": "achieve", "includes": "include", "compares": "compare", "helps": "help",
    "means": "mean", "describes": "describe", "specifies": "specify", "processes": "process",
    "shows": "show", "sets": "set", "runs": "run", "has": "have", "consists of": "consist of",
}  # fmt: skip
_VERB = rf"(?P<verb>{'|'.join(_BASES)})"
_COUNT = r"(?P<count>\d[\d,.]*|two|three|four|five|six|seven|eight|ten|twelve)"
_IS = re.compile(rf"^{_NP} (?P<be>is|are) (?:an?|the|one of) ")
_PASSIVE = re.compile(
    rf"^{_NP} (?P<be>is|are|was|were) (?:then |also |usually |often )?(?P<done>\w+(?:ed|ilt|ade|own)) "
    r"(?P<prep>on|with|by|for|from|as|to|in|into) "
)
_HOW_MANY = re.compile(
    rf"^{_NP} (?P<verb>has|uses|contains|consists of|takes|requires) "
    rf"(?:about |roughly |only |over )?{_COUNT} (?P<noun>(?:[a-z-]+ )?[a-z]+s)\b"
)
_DOES = re.compile(rf"^{_NP} (?:also |only |then )?{_VERB} ")
_CAN = re.compile(rf"^{_NP} can (?P<rest>be used|help|\w+)\b")
_TO = re.compile(r"^To (?P<do>[a-z]+ [^,]{4,60}), ")
_IF = re.compile(r"^(?P<if>If|When) (?P<cond>[^,]{8,80}), ")
_WHY = re.compile(rf"^{_NP} (?P<be>is|are|was|were|can|cannot) (?P<rest>[^,;]{{4,60}}?),? because ")
_WHY_DOES = re.compile(rf"^{_NP} {_VERB} (?P<rest>[^,;]{{4,60}}?),? because ")
_GENERIC = re.compile(
    r"(?:the |an? )?(?:model|models|following|result|results|method|methods|paper|authors?|example"
    r"|code|class|function|data|dataset|output|input|table|figure|section|approach|idea|goal|script"
    r"|most|more|step|value|values|next|first|second|main|same|other|number|process|notebook)s?",
    re.IGNORECASE,
)
_ZH_IS = re.compile(
    r"^(?P<np>[^，。：；、（）]{2,18}?)(?:是指|指的是|是一种|是一个|是)(?=[^，。否不]{2})"
)
_ZH_WHY = re.compile(r"因为")
_ZH_IF = re.compile(r"^(?P<cond>如果[^，。；]{3,30}?)(?:的话)?，")


def telling(text: str, lang: str) -> list[str]:
    """Return the sentences of a passage that stand by themselves, in order: plain prose, of an
    answer's length, that do not point to what came before."""
    plain = without_links(_CODE.sub("\n\n", text))
    blocks = re.split(r"\n\s*\n|\n(?=\s*(?:[-*+>]|\d+[.)]|#+)\s)", plain)
    found = []
    for block in blocks:
        if "|" in block or block.lstrip().startswith("#"):
            continue
        # A run-in of a PDF's lines, and emphasis, are no part of what is said.
        line = " ".join(_LINE.sub("", block).replace("**", "").replace("~~", "").split())
        pieces = _END_ZH.split(line) if lang == "zh" else _END.split(line)
        found += [_REFERENCE.sub("", piece).strip() for piece in pieces]
    return [sentence for sentence in found if _stands_alone(sentence, lang)]


def _stands_alone(sentence: str, lang: str) -> bool:
    if _ODD.search(sentence):
        return False
    if lang == "zh":
        fits = ZH_SHORTEST <= len(sentence) <= ZH_LONGEST
        return fits and sentence[-1] in "。；！" and not _DANGLING_ZH.match(sentence)
    fits = SHORTEST <= len(sentence.split()) <= LONGEST and sentence.endswith((".", "!"))
    begins = sentence[0].isupper() or sentence[0] in "`4568"
    if not (fits and begins and sentence.count("(") == sentence.count(")")):
        return False
    return not _DANGLING.match(sentence) or bool(_IF.match(sentence) or _TO.match(sentence))


def questions(sentence: str, lang: str) -> Iterator[tuple[str, str]]:
    """Yield (kind, question) for each question that the sentence plainly answers."""
    yield from _chinese(sentence) if lang == "zh" else _english(sentence)


def _english(sentence: str) -> Iterator[tuple[str, str]]:
    if found := _WHY.match(sentence):
        yield "why", f"Why {found['be']} {_in(found)} {found['rest']}?"
    if found := _WHY_DOES.match(sentence):
        yield "why", f"Why does {_in(found)} {_BASES[found['verb']]} {found['rest']}?"
    if found := _TO.match(sentence):
        yield "how", f"How do I {_as_mine(found['do'])}?"
    if found := _IF.match(sentence):
        yield "if", f"What happens {found['if'].lower()} {_as_mine(found['cond'])}?"
    if (found := _HOW_MANY.match(sentence)) and _named(found):
        yield (
            "count",
            f"How many {found['noun']} does {_in(found)} {_BASES.get(found['verb'], 'take')}?",
        )
    if (found := _IS.match(sentence)) and _named(found):
        yield "what", f"What {found['be']} {_in(found)}?"
    if (found := _PASSIVE.match(sentence)) and _named(found):
        yield "passive", _passive(found)
    if (found := _DOES.match(sentence)) and _named(found):
        yield "does", f"What does {_in(found)} {_BASES[found['verb']]}?"
    if (found := _CAN.match(sentence)) and _named(found):
        used = found["rest"] == "be used"
        yield "can", f"What can {_in(found)} be used for?" if used else f"What can {_in(found)} do?"


def _passive(found: re.Match[str]) -> str:
    asked = (
        "How" if found["prep"] == "by" else "Where" if found["prep"] in ("in", "into") else "What"
    )
    tail = "" if asked != "What" else f" {found['prep']}"
    return f"{asked} {found['be']} {_in(found)} {found['done']}{tail}?"


def _chinese(sentence: str) -> Iterator[tuple[str, str]]:
    if found := _ZH_IF.match(sentence):
        yield "if", f"{found['cond']}，会怎么样？"
    elif found := _ZH_IS.match(sentence):
        yield "what", f"{found['np'].strip()}是什么？"
    elif "因为" in sentence and not sentence.startswith("因为"):
        main = _ZH_WHY.split(sentence)[0].strip("，,。 这是")
        if 4 <= len(main) <= 40:
            yield "why", f"为什么{main}？"


def _in(found: re.Match[str]) -> str:
    """The subject as it stands within a sentence: a name keeps its capital."""
    subject = found["np"]
    head, _, rest = subject.partition(" ")
    # "Hugging Face" keeps its capital, "Semantic search engines" does not.
    common = head.istitle() and len(head) > 3 and rest and rest[0].islower()
    return f"{head.lower()} {rest}" if head in ("The", "A", "An") or common else subject


def _named(found: re.Match[str]) -> bool:
    return _GENERIC.fullmatch(found["np"]) is None


def _as_mine(text: str) -> str:
    """What is said to the reader, as the reader asks it."""
    text = re.sub(r"\byou are\b", "I am", text)
    text = re.sub(r"\byour\b", "my", text)
    return re.sub(r"\byou\b", "I", text)
