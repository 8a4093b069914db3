"""The questions of the training data: from passages, docstrings, glossary and quiz cards."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

from curriculum import quiz
from kb import KnowledgeBase, glossary
from kb.store import Store, open_store
from tutor.base.i18n import Bilingual, Language
from tutor.workshop.own import sentences
from tutor.workshop.own.material import Candidate
from tutor.workshop.texts import SCATTER

# How often each kind comes up while it lasts: what learners ask of most is prose.
WEIGHTS = {"sentence": 10, "section": 3, "argument": 3, "term": 2, "card": 3}

_PARAMETER = re.compile(
    r"^- (?P<name>\w+) \((?P<type>[^()]*?)(?:, default (?P<default>[^()]{1,30}))?\): (?P<text>.+)$",
    re.MULTILINE,
)
_GERUND = re.compile(r"^[A-Z][a-z]+ing [a-z]")
_PLAIN_HEADING = re.compile(
    r"introduction|overview|conclusions?|references|resources|usage|examples?|summary|notes?|setup"
    r"|installation|acknowledge?ments?|appendix|next steps|tl;?dr|background|related work|results"
    r"|parameters?|citation|quick ?start|prerequisites|training|main|abstract|data",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Row:
    """A passage as it lies in the store."""

    id: int
    text: str
    lang: Language
    heading: str
    title: str
    source: str
    path: str

    @property
    def leaf(self) -> str:
        return self.heading.rpartition(" > ")[2].strip()


def candidates(kb: KnowledgeBase, langs: tuple[Language, ...]) -> Iterator[Candidate]:
    """Yield questions, the kinds mixed by WEIGHTS; the same ones in the same order each time."""
    kinds = {
        "sentence": _sentences(langs),
        "section": _sections(langs),
        "argument": _arguments(),
        "term": _terms(kb, langs),
        "card": _cards(langs),
    }
    draw = random.Random(0)
    while kinds:
        kind = draw.choices(list(kinds), [WEIGHTS[name] for name in kinds])[0]
        try:
            yield next(kinds[kind])
        except StopIteration:
            del kinds[kind]


def _rows(offset: int, where: str) -> Iterator[_Row]:
    """Yield passages scattered over the sources."""
    store: Store = open_store()
    try:
        rows = store.db.execute(
            "SELECT p.id, p.text, p.lang, p.heading, d.title, d.source, d.path FROM passages p "
            f"JOIN documents d ON d.id = p.document_id WHERE {where} "
            "AND p.id NOT IN (SELECT passage_id FROM copies) "
            "ORDER BY (p.id + ?) * ? % 4294967296",
            [offset, SCATTER],
        ).fetchall()
    finally:
        store.close()
    return (_Row(*row) for row in rows)


def _sentences(langs: tuple[Language, ...]) -> Iterator[Candidate]:
    """One question a passage, of the kind that has come least often so far."""
    asked: dict[str, int] = {}
    for row in _rows(0, "d.source NOT LIKE 'docstrings/%'"):
        if row.lang not in langs:
            continue
        told = sentences.telling(row.text, row.lang)
        found = [
            (kind, question, at)
            for at, sentence in enumerate(told)
            for kind, question in sentences.questions(sentence, row.lang)
        ]
        if not found:
            continue
        kind, question, at = min(found, key=lambda each: asked.get(each[0], 0))
        asked[kind] = asked.get(kind, 0) + 1
        # A second sentence where it goes on about the same: the answer's reason or figure.
        more = [s for s in told[at + 1 : at + 2] if _goes_on(told[at], s, row.lang)]
        yield Candidate(kind, question, row.lang, (told[at], *more), row.path, row.id,
                        near=_near(row))  # fmt: skip


def _goes_on(first: str, second: str, lang: str) -> bool:
    room = sentences.ZH_LONGEST if lang == "zh" else 45
    length = len(first + second) if lang == "zh" else len(f"{first} {second}".split())
    shared = set(re.findall(r"\w{4,}", first)) & set(re.findall(r"\w{4,}", second))
    return length <= room and len(shared) >= 2


def _near(row: _Row) -> str:
    """What a learner who looks again would search for."""
    words = dict.fromkeys(f"{row.leaf} {row.title}".split())
    return " ".join(words)[:76].strip()


def _sections(langs: tuple[Language, ...]) -> Iterator[Candidate]:
    for row in _rows(7919, "d.source NOT LIKE 'docstrings/%'"):
        told = sentences.telling(row.text, row.lang)
        if row.lang not in langs or not told:
            continue
        if question := _of_section(row):
            wanted = set(re.findall(r"\w{4,}", row.leaf.lower()))
            ranked = sorted(told, key=lambda s: (-_share(wanted, s), told.index(s)))
            best = sorted(ranked[:2], key=told.index)
            answer = tuple(best if _goes_on(best[0], best[-1], row.lang) else ranked[:1])
            yield Candidate("section", question, row.lang, answer, row.path, row.id,
                            near=_near(row))  # fmt: skip


def _share(wanted: set[str], sentence: str) -> int:
    # A figure says more than a phrase does.
    figures = 1 if re.search(r"\d", sentence) else 0
    return len(wanted & set(re.findall(r"\w{4,}", sentence.lower()))) + figures


def _of_section(row: _Row) -> str:
    leaf = re.sub(r"^[\d.]+\s+|[`*#]|\s*\[\[.*", "", row.leaf).strip(" :：")
    if not 4 <= len(leaf) <= 60 or _PLAIN_HEADING.fullmatch(leaf):
        return ""
    if leaf.endswith(("?", "？")):
        return leaf
    if row.lang == "zh":
        return f"关于{leaf}，资料里讲了什么？" if re.search(r"[\u4e00-\u9fff]{2}", leaf) else ""
    if leaf.lower().startswith("how to "):
        return f"How do I {leaf[7:]}?"
    if _GERUND.match(leaf):
        return f"How does {leaf[0].lower()}{leaf[1:]} work?"
    if re.search(r"[^\x00-\x7f]", leaf):
        return ""
    asked = ("What should I know about {}?", "What do the sources say about {}?",
             "What is said of {} in {title}?")  # fmt: skip
    form = asked[row.id % 3]
    return form.format(leaf, title=row.title)


def _arguments() -> Iterator[Candidate]:
    """What an argument does, and what it is where it is left out, by the docstring."""
    for row in _rows(104729, "d.source LIKE 'docstrings/%' AND p.lang = 'en'"):
        owner = row.title.rpartition(".")[2] or row.leaf
        found = [each for each in _PARAMETER.finditer(row.text) if len(each["text"]) > 20]
        if not found:
            continue
        each = found[row.id % len(found)]
        said = _first_sentence(each["text"])
        if not said:
            continue
        name, default = each["name"], each["default"]
        answer: tuple[str, ...] = (said,)
        question = f"What does the `{name}` argument of `{owner}` do?"
        if default and row.id % 2:
            question = f"What is the default of `{name}` in `{owner}`, and what is it for?"
            answer = (f"The default of `{name}` is {default}.", said)
        yield Candidate("argument", question, "en", answer, row.path, row.id,
                        near=f"{owner} {name}")  # fmt: skip


def _first_sentence(text: str) -> str:
    plain = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text)
    plain = re.sub(r"\[`([^`\]]+)`\]", r"`\1`", plain).strip()
    plain = re.sub(r"^\W*\*?`?optional`?\*?\W*:?\s*", "", plain)
    first = re.split(r"(?<=[.!?])\s+(?=[A-Z`])", plain)[0].rstrip(" .") + "."
    words = first.split()
    odd = re.search(r"[<>{}|~]|https?:|…", first)
    return "" if odd or not first or not 4 <= len(words) <= 40 else first[0].upper() + first[1:]


def _terms(kb: KnowledgeBase, langs: tuple[Language, ...]) -> Iterator[Candidate]:
    """The glossary's terms; what answers is looked for in what the search brings."""
    forms = {"en": ("What is {}?", "What does {} mean?", "Explain {}."),
             "zh": ("什么是{}？", "{}是什么意思？", "解释一下{}。")}  # fmt: skip
    for at, chinese in enumerate(sorted(glossary.chinese_terms(), key=_hash)):
        for english in glossary.in_english(chinese)[:1]:
            if "en" in langs and kb.contains(english):
                yield Candidate("term", forms["en"][at % 3].format(english), "en", (), english,
                                term=english)  # fmt: skip
        if "zh" in langs:
            yield Candidate("term", forms["zh"][at % 3].format(chinese), "zh", (), chinese,
                            term=chinese)  # fmt: skip


def _cards(langs: tuple[Language, ...]) -> Iterator[Candidate]:
    """The quiz cards, with what explains their answer."""
    for card in sorted(quiz.all_cards(), key=lambda card: _hash(card.key)):
        told = card.answer if isinstance(card, quiz.Recall) else card.why
        for lang in langs:
            answer = _split(told, lang)
            yield Candidate("card", getattr(card.question, lang), lang, answer, card.key,
                            near=card.heading(lang))  # fmt: skip


def _split(text: Bilingual, lang: Language) -> tuple[str, ...]:
    pattern = r"(?<=[。！？；])" if lang == "zh" else r"(?<=[.!?])\s+(?=[A-Z`])"
    pieces = [piece.strip() for piece in re.split(pattern, getattr(text, lang))]
    return tuple(piece for piece in pieces if piece)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
