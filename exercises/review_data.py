"""Film reviews with their sentiment, in two parts that share no text."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ASSET = "vader-snippets"
ON_HUB = "stanfordnlp/imdb"
CLEAR = 1.0
"""The least distance from neutral of a mean rating (-4 to 4) that counts as clear."""
TRAIN, HELD_OUT = 4_000, 800


def snippets(file: Path) -> Iterator[tuple[str, int]]:
    """Yield (text, label) of the clearly rated ones: lines of id, mean rating, text, by tabs."""
    for line in file.read_text("utf-8").rstrip("\n").split("\n"):
        _, rating, text = line.split("\t")
        if abs(float(rating)) >= CLEAR:
            yield text.strip(), int(float(rating) > 0)


def from_hub() -> Iterator[tuple[str, int]]:
    """Yield (text, label) of IMDb's 50,000 reviews.

    Raises OSError where the hub cannot be reached.
    """
    from datasets import load_dataset

    for part in ("train", "test"):
        for row in load_dataset(ON_HUB, split=part):
            yield row["text"].replace("<br />", "\n"), row["label"]


def split(rows: Iterable[tuple[str, int]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return (train, held_out), each with as many of either label, each text once.

    Texts are the same that differ in case and punctuation only; one that bears both labels is
    left out. They are ordered by their hash, so that a part's beginning is a fair sample of it.
    """
    labels: dict[str, set[int]] = {}
    texts: dict[str, str] = {}
    for text, label in rows:
        key = hashlib.sha256(" ".join(re.findall(r"\w+", text.casefold())).encode()).hexdigest()
        labels.setdefault(key, set()).add(label)
        texts.setdefault(key, text)
    held_out: list[dict[str, Any]] = []
    train: list[dict[str, Any]] = []
    for label in (0, 1):
        keys = sorted(key for key, seen in labels.items() if seen == {label})
        for part, chosen in (
            (held_out, keys[: HELD_OUT // 2]),
            (train, keys[HELD_OUT // 2 : (HELD_OUT + TRAIN) // 2]),
        ):
            part += [{"text": texts[key], "label": label, "key": key} for key in chosen]
    return _in_order(train), _in_order(held_out)


def _in_order(part: list[dict[str, Any]]) -> list[dict[str, Any]]:
    part.sort(key=lambda row: row.pop("key"))
    return part
