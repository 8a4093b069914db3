"""What `tutor kb eval --against` measures the knowledge base against: the usual libraries, each as
its users set it up, over the same documents and with pieces of the same size.

They are no part of search: what they need beyond the tutor's own packages is its extra "eval".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module

from kb.evaluate import System
from kb.store import Store
from kb.sync import Progress, quiet
from tutor.base.errors import MissingError
from tutor.base.i18n import say

MODULES = {"bm25s": "kb.peers.bm25", "minilm": "kb.peers.minilm", "llamaindex": "kb.peers.llama"}
"""Name for --against: the module whose `systems` makes it."""
PACKAGES = "bm25s PyStemmer llama-index-retrievers-bm25"


@dataclass(frozen=True)
class Found:
    """A piece of a document that a peer found."""

    doc: str
    text: str
    also: tuple[str, ...] = ()


def build(names: Iterable[str], store: Store, progress: Progress = quiet) -> dict[str, System]:
    """Index what a store holds once more, for each of the peers named.

    "llamaindex" makes two: its vector index alone, and fused with its BM25.
    Raises MissingError where a package of theirs is not installed.
    """
    built: dict[str, System] = {}
    for name in dict.fromkeys(names):
        try:
            systems: Callable[[Store, Progress], dict[str, System]]
            systems = import_module(MODULES[name]).systems
        except ImportError as error:
            raise MissingError(
                say(f"{name} is not installed: {error}", f"尚未安装 {name}：{error}"),
                f"pip install {PACKAGES}",
            ) from error
        built |= systems(store, progress)
    return built
