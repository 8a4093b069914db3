"""Training data from what the tutor teaches: prompts as the agent gives them, answers that its
checks accept, and worse ones that they refuse. The same data each time from the same sources.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from kb import KnowledgeBase
from kb.store import open_store
from tutor.base.i18n import Language, say
from tutor.workshop import files
from tutor.workshop.own import rejected, sentences
from tutor.workshop.own.journal import Journal
from tutor.workshop.own.material import REFUSAL, Agent, Candidate, Example, Rejected, Scene
from tutor.workshop.own.questions import candidates
from tutor.workshop.report import Data

HELD_OUT = 12
"""One group in so many is never trained on: a document, a term or a card."""
DECISIONS = 3
"""One question in so many comes with a decision too, also where the agent would not ask for one:
its evidence is strong for most of these questions, which are made of the passages' own words."""
UNANSWERABLE = 14
"""One question in so many is asked without the passages that answer it. More would teach a small
model to say so of what lies before it."""
RARE = ("own", "number", "name", "unsupported")
TRIES = 40
"""Candidates looked at for each example, at most: an index may hold little that fits."""
SFT, DPO, HELD_SFT, HELD_DPO = "sft", "dpo", "sft-held-out", "dpo-held-out"
FOLDER = "data"
MANIFEST = "manifest.json"
_MARK = re.compile(r"\s*\[\d+\]")
_NUMBER = re.compile(r"\[(\d+)\]")
_INDEX = re.compile(r"\[\d+\]")
"""In code, or a paper's own reference: it would be taken for a mark."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Size:
    """How much to make. characters: the longest prompt and answer together: what a step costs."""

    examples: int
    langs: tuple[Language, ...] = ("en", "zh")
    characters: int = 6000


@dataclass(frozen=True)
class Manifest:
    """What lies in the data folder. files: name: lines and sha256; kinds: examples by kind;
    faults: rejected answers by how they were made."""

    files: dict[str, dict[str, Any]]
    kinds: dict[str, int]
    steps: int
    faults: dict[str, int]
    sources: tuple[Data, ...]


def gather(
    agent: Agent, kb: KnowledgeBase, size: Size, folder: Path, tell: Say = lambda _: None
) -> list[Example]:
    """Make the examples, going on where an earlier attempt was ended."""
    journal = Journal(folder / "gathered.jsonl")
    made: list[Example] = []
    at = -1
    for line in journal.read():
        at = line["at"]
        made += [msgspec.convert(one, Example) for one in line["examples"]]
    seen = _keys(made)
    for number, candidate in enumerate(candidates(kb, size.langs)):
        if len(made) >= size.examples or number >= TRIES * size.examples:
            break
        if number <= at:
            continue
        new = [
            one
            for one in prepare(agent, candidate, bare=number % UNANSWERABLE == 0)
            if _length(one) <= size.characters and not {_key(one.question), _key(one.answer)} & seen
        ]
        if not new:
            continue
        made += new
        seen |= _keys(new)
        journal.append({"at": number, "examples": msgspec.to_builtins(new)})
        if len(made) % 100 == 0:
            tell(
                say(
                    f"{len(made)} of {size.examples} examples",
                    f"已生成 {len(made)}/{size.examples} 条",
                )
            )
    return made[: size.examples]


def _keys(examples: Iterable[Example]) -> set[str]:
    """What is not asked or answered twice; only a refusal is always the same."""
    asked = {_key(one.question) for one in examples}
    return asked | {_key(one.answer) for one in examples if one.kind != "unanswerable"}


def _key(text: str) -> str:
    return " ".join(re.findall(r"\w+", _MARK.sub("", text).lower()))


def _length(example: Example) -> int:
    return sum(len(message["content"]) for message in example.write) + len(example.answer)


def prepare(agent: Agent, candidate: Candidate, *, bare: bool = False) -> list[Example]:
    """Return the example that a candidate gives: one or none. bare: without what answers it."""
    scene = agent.gather(candidate.question, candidate.lang)
    if scene is None or any(_INDEX.search(sentence) for sentence in candidate.answer):
        return []
    if bare:
        return _unanswerable(agent, scene, candidate)
    step, after, told = _settled(agent, scene, candidate)
    answer = _cited(agent, after, told)
    if not answer or agent.judge(after, answer):
        return []
    worse = tuple(rejected.variants(agent, after, answer, _spare(after, answer)))
    cited = {int(number) for number in _NUMBER.findall(answer)}
    sources = tuple(sorted({after.passages[number - 1].source for number in cited}))
    return [
        Example(candidate.kind, candidate.lang, candidate.question, candidate.group, after.write,
                answer, scene.decide if step else None, step, worse, sources, _ids(after))
    ]  # fmt: skip


def _settled(
    agent: Agent, scene: Scene, candidate: Candidate
) -> tuple[str, Scene, tuple[str, ...]]:
    """Return the step to take, empty where there is to be none, the scene that it leads to, and
    the sentences to answer with there."""
    told = candidate.answer or _definition(scene, candidate)
    missed = scene.asks and candidate.answer and not _holds(scene, candidate)
    if missed and (step := _next_step(agent, scene, candidate)):
        return step, agent.after(scene, json.loads(step)), told
    asked = scene.asks or int(_hash(scene.question), 16) % DECISIONS == 0
    return json.dumps({"action": "answer"}) if asked else "", scene, told


def _ids(scene: Scene) -> tuple[int, ...]:
    return tuple(passage.id for passage in scene.passages)


def _holds(scene: Scene, candidate: Candidate) -> bool:
    return not candidate.passage or candidate.passage in {p.id for p in scene.passages}


def _next_step(agent: Agent, scene: Scene, candidate: Candidate) -> str:
    """Return the step that leads to the passage with the answer; empty where none does."""
    steps: list[dict[str, str | int]] = []
    for number, passage in enumerate(scene.passages, 1):
        if not steps and candidate.passage and abs(passage.id - candidate.passage) == 1:
            steps.append({"action": "read_on", "passage": number})
    if candidate.near:
        steps.append({"action": "search", "query": candidate.near})
    for step in steps:
        reply = json.dumps(step, ensure_ascii=False)
        if not agent.valid(scene, reply):
            continue
        after = agent.after(scene, step)
        found = agent.support(after, candidate.answer[0]) is not None
        if found and _holds(after, candidate):
            return reply
    return ""


def _cited(agent: Agent, scene: Scene, told: Iterable[str]) -> str:
    """Return the sentences, each with the number of its passage before its full stop; empty where
    the first has none."""
    written: list[str] = []
    for sentence in told:
        index = agent.support(scene, sentence)
        if index is None:
            break
        body, stop = sentence[:-1], sentence[-1]
        space = " " if stop in ".!?" else ""
        written.append(f"{body}{space}[{index + 1}]{stop}")
    return ("" if scene.lang == "zh" else " ").join(written)


def _definition(scene: Scene, candidate: Candidate) -> tuple[str, ...]:
    """Return the sentence of the passages that says what the term is."""
    term = re.escape(candidate.term)
    says = (
        rf"{term}[^，。]{{0,8}}(?:是|指)"
        if candidate.lang == "zh"
        else rf"^(?:the |an? )?[`“\"]?{term}s?\b[`”\"]?(?: \([^)]*\))?,? (?:is|are|refers? to|means?|stands? for|allows?|\w+s) "
    )
    for passage in scene.passages:
        for sentence in sentences.telling(passage.text, passage.lang):
            if passage.lang == candidate.lang and re.search(says, sentence, re.IGNORECASE):
                return (sentence,)
    return ()


def _unanswerable(agent: Agent, scene: Scene, candidate: Candidate) -> list[Example]:
    """The question without what answers it: the answer to it is then what must not be said."""
    told = candidate.answer or _definition(scene, candidate)
    if not told or agent.support(scene, told[0]) is None:
        return []
    scene = agent.bare(scene, told[0])
    claim = f"{told[0][:-1]} [1]{told[0][-1]}"
    if not scene.passages or not agent.judge(scene, claim):
        return []
    step = json.dumps({"action": "search", "query": candidate.near}, ensure_ascii=False)
    known = candidate.near and agent.valid(scene, step)
    return [
        Example("unanswerable", candidate.lang, candidate.question, candidate.group, scene.write,
                REFUSAL[candidate.lang], scene.decide if known else None, step if known else "",
                (Rejected("unsupported", claim),), (), _ids(scene))
    ]  # fmt: skip


def _spare(scene: Scene, answer: str) -> list[str]:
    """Sentences of the passages that the answer leaves out."""
    said = _key(answer)
    found = [s for p in scene.passages if p.lang == scene.lang
             for s in sentences.telling(p.text, p.lang)]  # fmt: skip
    return [sentence for sentence in found if _key(sentence) not in said]


def held_out(example: Example) -> bool:
    return int(_hash(example.group), 16) % HELD_OUT == 0


def write(folder: Path, examples: list[Example]) -> Manifest:
    """Write the four files and the manifest, which comes last."""
    parts: dict[str, list[dict[str, Any]]] = {SFT: [], DPO: [], HELD_SFT: [], HELD_DPO: []}
    for example in examples:
        kept = held_out(example)
        plain = msgspec.to_builtins(replace(example, rejected=()))
        parts[HELD_SFT if kept else SFT].append(plain)
        parts[HELD_DPO if kept else DPO] += list(_pairs(example))
    listed = {}
    for name, rows in parts.items():
        path = folder / f"{name}.jsonl"
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        files.write_text(path, text)
        listed[path.name] = {"lines": len(rows), "sha256": files.sha256(path)}
    pairs = parts[DPO] + parts[HELD_DPO]
    manifest = Manifest(
        listed,
        dict(Counter(example.kind for example in examples)),
        sum(bool(example.step) for example in examples),
        dict(Counter(pair["how"] for pair in pairs)),
        _origins(examples, listed),
    )
    files.write_json(folder / MANIFEST, manifest)
    return manifest


def _pairs(example: Example) -> Iterator[dict[str, Any]]:
    """Two of the worse answers; faults that few answers can have come first."""
    worse = sorted(example.rejected, key=lambda r: (r.how not in RARE,
                                                    _hash(r.how + example.question)))  # fmt: skip
    for one in worse[:2]:
        yield {"kind": example.kind, "lang": example.lang, "question": example.question,
               "prompt": example.write, "chosen": example.answer, "rejected": one.text,
               "how": one.how}  # fmt: skip


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _origins(examples: list[Example], listed: dict[str, dict[str, Any]]) -> tuple[Data, ...]:
    """The files of the data, and the sources that their answers are of, with their licences."""
    store = open_store()
    try:
        rows = store.db.execute("SELECT DISTINCT source, licence FROM documents").fetchall()
    finally:
        store.close()
    licences = dict(rows)
    used = Counter(source for example in examples for source in example.sources)
    own = [Data(f"own/{name}", file["sha256"]) for name, file in listed.items()]
    return (*own, *(Data(source, "", licences.get(source) or "") for source in sorted(used)))


def read(folder: Path, name: str) -> list[dict[str, Any]]:
    """Return the rows of one of the files."""
    # Bytes, in which splitlines knows line ends alone: a passage may hold U+2028.
    lines = (folder / f"{name}.jsonl").read_bytes().splitlines()
    return [json.loads(line) for line in lines]
