"""What passes between an agent and the engine, written down while it runs: for measuring only."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any

from kb import KnowledgeBase, Passage
from tutor.engine import ChatClient, Message


@dataclass
class Exchange:
    """One call of the model.

    options: as given to `ChatClient.stream` (max_tokens, stop, schema ...).
    pieces: how many pieces of text came, which is about how many tokens.
    first_s, seconds: until the first piece, until the end, from the call on.
    """

    messages: list[Message]
    options: dict[str, Any]
    reply: str = ""
    pieces: int = 0
    first_s: float = 0.0
    seconds: float = 0.0


@contextmanager
def record() -> Iterator[list[Exchange]]:
    """Collect every call of every client while the block runs.

    The client is watched at its one door from outside: what is measured is then the very code
    that answers a learner, and that code carries nothing for the sake of measuring.
    """
    exchanges: list[Exchange] = []
    stream = ChatClient.stream

    async def watched(
        self: ChatClient, messages: Sequence[Message], **options: Any
    ) -> AsyncIterator[str]:
        exchange = Exchange(list(messages), options)
        exchanges.append(exchange)
        began = time.monotonic()
        try:
            async with aclosing(stream(self, messages, **options)) as pieces:  # type: ignore[type-var]
                async for piece in pieces:
                    exchange.first_s = exchange.first_s or time.monotonic() - began
                    exchange.reply += piece
                    exchange.pieces += 1
                    yield piece
        finally:
            exchange.seconds = time.monotonic() - began

    setattr(ChatClient, "stream", watched)  # noqa: B010  (mypy refuses the assignment)
    try:
        yield exchanges
    finally:
        setattr(ChatClient, "stream", stream)  # noqa: B010


async def prompt_tokens(client: ChatClient, messages: Sequence[Message]) -> int | None:
    """Return how many tokens the server makes of a prompt, its chat template included.

    A streamed answer carries no usage with most servers, so the prompt is sent once more for one
    token, outside the measured time: the engine still has most of it in its KV cache.
    None where the server tells no usage.
    """
    import httpx

    body = {
        "model": client.endpoint.model,
        "messages": list(messages),
        "max_tokens": 1,
        "temperature": 0.0,
    }
    try:
        answer = await client.http.post("/chat/completions", json=body)
        count = answer.json()["usage"]["prompt_tokens"]
    except (httpx.HTTPError, ValueError, LookupError, TypeError):
        return None
    return count if isinstance(count, int) else None


class WatchedKb:
    """A knowledge base that remembers every passage that it gave: what was retrieved."""

    def __init__(self, kb: KnowledgeBase) -> None:
        self._kb = kb
        self.retrieved: dict[tuple[int, str], Passage] = {}

    def note(self, result: Any) -> None:
        """Remember the passages of a method's result, if it is a list of them."""
        if isinstance(result, list | tuple):
            found = (item for item in result if isinstance(item, Passage))
            self.retrieved |= {(passage.id, passage.doc): passage for passage in found}

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._kb, name)
        if not callable(value):
            return value

        def noted(*args: Any, **options: Any) -> Any:
            result = value(*args, **options)
            self.note(result)
            return result

        return noted
