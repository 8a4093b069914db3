"""A model behind three names, for the exercises of week 6 that build what stands before it.

engine = load()                   # SmolLM2-135M, or your own: load("…/model.gguf")
engine.name, engine.context      # what it calls itself, tokens of its context
engine.count(messages)           # tokens of the prompt
for piece in engine.stream(messages, temperature=0.7, max_tokens=64): ...
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from tutor.base import assets

Messages = list[dict[str, str]]
"""{"role": "system" | "user" | "assistant", "content": text}, oldest first."""


class Engine(Protocol):
    """A chat model. It has one KV cache: one answer at a time, or both are spoiled."""

    name: str
    context: int
    """Tokens of prompt and answer together."""

    def count(self, messages: Messages) -> int:
        """Return how many tokens the prompt of these messages has."""

    def stream(self, messages: Messages, temperature: float, max_tokens: int) -> Iterator[str]:
        """Yield the answer, a piece of text for each token, at most max_tokens of them.

        Closing the generator ends the computation. At temperature 0 the most probable text.
        """


class LlamaEngine:
    """A GGUF file in this process, by llama-cpp-python.

    repeatable: begin each answer with an empty KV cache. What is left of the last one saves time
    where the prompts begin alike, but a prompt read in other parts gives slightly other numbers,
    and at temperature 0 now and then another word.
    """

    def __init__(self, path: Path, context: int = 2048, repeatable: bool = False) -> None:
        from llama_cpp import Llama

        self.name = path.stem
        self.context = context
        self._repeatable = repeatable
        self._llama = Llama(str(path), n_ctx=context, verbose=False)

    def count(self, messages: Messages) -> int:
        """Return the tokens of the prompt: of the messages, and five for the marks of each."""
        texts = [message["content"].encode() for message in messages]
        return sum(len(self._llama.tokenize(text, add_bos=False)) + 5 for text in texts)

    def stream(self, messages: Messages, temperature: float, max_tokens: int) -> Iterator[str]:
        """Yield the answer in pieces; the empty ones at its beginning and end are left out."""
        if self._repeatable:
            self._llama.reset()
        parts: Any = self._llama.create_chat_completion(
            messages,  # type: ignore[arg-type]
            temperature=temperature,
            max_tokens=max_tokens,
            stream=True,
        )
        for part in parts:
            if piece := part["choices"][0]["delta"].get("content"):
                yield piece


def load(path: str | Path | None = None, repeatable: bool = False) -> Engine:
    """Load the model in a GGUF file; without one, SmolLM2-135M-Instruct.

    repeatable: see LlamaEngine.
    Raises MissingError, with the command that gets it, where that is not there.
    """
    file = Path(path) if path else assets.path("smollm2-135m")
    return LlamaEngine(file, repeatable=repeatable)
