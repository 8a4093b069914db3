"""The body of a chat completion: server-sent events, read whatever the server puts between them."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from tutor.base.text import printable

if TYPE_CHECKING:
    import httpx

LINE_BYTES = 2**20
CHARACTERS_PER_TOKEN = 32
"""No tokenizer's tokens are longer on average: what goes beyond is a server that does not stop."""


class ProtocolError(Exception):
    """The server's answer is no chat completion."""


class ServerError(Exception):
    """The server reported an error in the middle of its answer; its own words."""


class ThoughtError(Exception):
    """The answer ended, or the tokens for it were used up, within the thoughts that open it."""


@dataclass(frozen=True)
class _Text:
    content: str | None = None
    reasoning_content: str | None = None
    """Thoughts, where the server keeps them apart (DeepSeek, vLLM)."""


@dataclass(frozen=True)
class _Choice:
    delta: _Text | None = None
    message: _Text | None = None
    """In place of delta where the server does not stream."""
    finish_reason: str | None = None


@dataclass(frozen=True)
class _Event:
    choices: list[_Choice] = field(default_factory=list)
    error: Any = None


_THOUGHT, _THOUGHT_END = "<think>", "</think>"


async def pieces(
    response: httpx.Response, max_tokens: int, stall_s: float
) -> AsyncGenerator[str, None]:
    """Yield the answer's text, made printable, as it arrives, without the thoughts with which a
    reasoning model may begin it. Raises what `_raw_pieces` raises, and ThoughtError too where the
    answer ends within them."""
    opening = _Opening()
    async with aclosing(_raw_pieces(response, max_tokens, stall_s)) as raw:
        async for piece in raw:
            if said := opening.take(piece):
                yield said
    if opening.thinking:
        raise ThoughtError


class _Opening:
    """The beginning of an answer: held back as long as it is a thought, or may become one."""

    def __init__(self) -> None:
        self.held = ""
        self.over = False

    @property
    def thinking(self) -> bool:
        """Whether a thought has begun that has not ended."""
        return not self.over and self.held.startswith(_THOUGHT)

    def take(self, piece: str) -> str:
        """Return what of the answer may be shown after the next piece."""
        if self.over:
            return piece
        self.held = (self.held + piece).lstrip()
        if self.held.startswith(_THOUGHT):
            _, ended, rest = self.held.partition(_THOUGHT_END)
            if not ended:
                return ""
            self.held = rest.lstrip()
        if _THOUGHT.startswith(self.held):
            return ""
        self.over = True
        return self.held


async def _raw_pieces(
    response: httpx.Response, max_tokens: int, stall_s: float
) -> AsyncGenerator[str, None]:
    """Yield the content of the choices as it arrives.

    Raises httpx.ReadTimeout where no text came for stall_s seconds though something else did,
    httpx.RemoteProtocolError where the answer breaks off, ServerError, ProtocolError, and
    ThoughtError where there were thoughts and nothing else.
    """
    import httpx

    left = max_tokens * CHARACTERS_PER_TOKEN
    understood = finished = thought = answered = False
    waiting_since = time.monotonic()
    async for line in _lines(response):
        if time.monotonic() - waiting_since > stall_s:
            raise httpx.ReadTimeout("nothing but keep-alive lines")
        event = _event(line)
        if event == "[DONE]":
            understood = finished = True
            break
        if not isinstance(event, _Event):
            continue
        understood = True
        if event.error:
            raise ServerError(_message(event.error))
        for choice in event.choices:
            finished = finished or choice.finish_reason is not None
            said = choice.delta or choice.message or _Text()
            if text := said.content or said.reasoning_content:
                waiting_since = time.monotonic()
                left -= len(text)
            thought = thought or bool(said.reasoning_content)
            if said.content:
                answered = True
                yield printable(said.content)
        if left < 0:
            finished = True
            break
    if not understood:
        raise ProtocolError("no chat completion")
    if not finished:
        raise httpx.RemoteProtocolError("the stream ended before [DONE]")
    if thought and not answered:
        raise ThoughtError


async def _lines(response: httpx.Response) -> AsyncIterator[bytes]:
    """Yield the body's lines; one that is plain JSON, of a server that does not stream, as a whole.

    Not httpx's own: it also parts lines at U+2028 and the like, which many a server's JSON holds.
    """
    whole = response.headers.get("content-type", "").startswith("application/json")
    rest = b""
    async for chunk in response.aiter_bytes():
        rest += chunk
        if not whole:
            *lines, rest = rest.split(b"\n")
            for line in lines:
                yield line
        if len(rest) > LINE_BYTES:
            raise ProtocolError("a line without an end")
    if rest:
        yield rest


def _event(line: bytes) -> _Event | str | None:
    """Read one line: an event, "[DONE]", or None for a comment, a blank or nonsense."""
    data = line.removeprefix(b"data:").strip()
    if data == b"[DONE]":
        return "[DONE]"
    if not data.startswith(b"{"):
        return None
    try:
        event = msgspec.json.decode(data, type=_Event)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return event if event.choices or event.error else None


def _message(error: Any) -> str:
    if isinstance(error, dict) and isinstance(error.get("message"), str):
        error = error["message"]
    return printable(str(error))[:300]
