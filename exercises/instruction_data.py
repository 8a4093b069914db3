"""Instruction pairs from the docstrings of the libraries installed here; see
`exercises.lab.instructions`. Their text stays under the libraries' licence (Apache-2.0)."""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from tutor.base.writing import write

if TYPE_CHECKING:
    from kb.docstrings import ApiEntry

PACKAGES = ("peft", "trl", "transformers", "accelerate", "sentence_transformers")
TRAIN, HELD_OUT = 1200, 120
PER_CLASS = 10
"""Of one class in the held-out part: TrainingArguments alone has more than a hundred."""
SHORTEST, LONGEST = 40, 320
"""Characters of a response: about 10 to 80 tokens."""
ALIKE = 0.6
"""A held-out response that shares so much of its words with a training one is left out."""

Pair = dict[str, str]


def load(cache: Path) -> tuple[list[Pair], list[Pair]]:
    """Return (train, held_out), built on the first call (about 10 s) and then read from `cache`."""
    path = cache / f"instructions-{_key()}.json"
    if not path.exists():
        train, held_out = split(_answers())
        cache.mkdir(parents=True, exist_ok=True)
        write(path, json.dumps({"train": train, "held_out": held_out}).encode())
    data = json.loads(path.read_text("utf-8"))
    return data["train"], data["held_out"]


def split(by_class: dict[str, list[Pair]]) -> tuple[list[Pair], list[Pair]]:
    """Divide the pairs: whole classes are held out, in an order that a hash of their name gives.

    What many classes say in the same or nearly the same words is asked once, in training.
    """
    train: list[Pair] = []
    held_out: list[Pair] = []
    names = sorted(by_class, key=_hash)
    enough = 2 * HELD_OUT  # the alike ones are yet to go
    for name in names:
        pairs = sorted(by_class[name], key=lambda pair: _hash(pair["prompt"]))
        if len(held_out) < enough:
            held_out += pairs[:PER_CLASS]
        else:
            train += pairs
    train = _distinct(sorted(train, key=lambda pair: _hash(pair["prompt"])))[:TRAIN]
    known = [_words(pair["response"]) for pair in train]
    new = [pair for pair in _distinct(held_out) if not _alike(_words(pair["response"]), known)]
    return train, new[:HELD_OUT]


def _answers() -> dict[str, list[Pair]]:
    from kb.docstrings import api_entries

    by_class: dict[str, list[Pair]] = defaultdict(list)
    for entry in api_entries(PACKAGES):
        for name, _, _, description in entry.parameters:
            response = _clean(description)
            if SHORTEST <= len(response) <= LONGEST:
                prompt = f"What does the `{name}` argument of `{entry.name}` do?"
                by_class[_class_of(entry)].append({"prompt": prompt, "response": response})
    return by_class


def _class_of(entry: ApiEntry) -> str:
    return entry.name.rpartition(".")[0] if entry.kind == "method" else entry.name


def _clean(description: str) -> str:
    text = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", description)  # a link's text without its target
    return re.sub(r"\s+", " ", text).strip()


def _distinct(pairs: Iterable[Pair]) -> list[Pair]:
    prompts: set[str] = set()
    responses: set[str] = set()
    kept = []
    for pair in pairs:
        if pair["prompt"] not in prompts and pair["response"] not in responses:
            kept.append(pair)
        prompts.add(pair["prompt"])
        responses.add(pair["response"])
    return kept


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.lower()))


def _alike(words: frozenset[str], known: Iterable[frozenset[str]]) -> bool:
    return any(len(words & other) >= ALIKE * len(words | other) for other in known)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _key() -> str:
    """Of everything that the pairs depend on: the libraries' versions and the code that reads
    them."""
    from importlib import metadata

    from kb import docstrings

    versions = [metadata.version(docstrings.DISTRIBUTIONS.get(p, p)) for p in PACKAGES]
    code = [Path(file).read_text("utf-8") for file in (docstrings.__file__, __file__)]
    return _hash("\n".join([*versions, *code]))[:12]
