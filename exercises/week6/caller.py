"""A client of an OpenAI-compatible server, for criteria: plain HTTP, so that each byte is seen."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tutor.base.i18n import say

CHAT = "/v1/chat/completions"


class Caller:
    """Sends requests with a model's name, a question and a key where a criterion gives no other."""

    def __init__(self, base: str, key: str, model: str, question: dict[str, str]) -> None:
        self.key = key
        self.body = {"model": model, "messages": [question]}
        self.http = httpx.Client(base_url=base, timeout=60, trust_env=False)

    def post(
        self, headers: dict[str, str] | None = None, content: bytes | None = None, **fields: Any
    ) -> httpx.Response:
        """Ask for a chat completion, with these headers in place of the right key, and with this
        body in place of the usual one with these fields."""
        headers = bearer(self.key) if headers is None else headers
        if content is not None:
            return self.http.post(CHAT, headers=headers, content=content)
        return self.http.post(CHAT, headers=headers, json=self.body | fields)

    def good(self, **fields: Any) -> dict[str, Any]:
        """Return the body of the answer to a request that must succeed."""
        reply = self.post(**fields)
        assert reply.status_code == 200, say(
            f"a good request ({fields or 'the defaults'}) gets {reply.status_code}: "
            f"{reply.text[:200]}",
            f"正确的请求（{fields or '全用默认值'}）得到 {reply.status_code}：{reply.text[:200]}",
        )
        return json_of(reply)

    @contextmanager
    def streaming(self, **fields: Any) -> Iterator[httpx.Response]:
        """Ask for a stream, which ends with the block."""
        body = self.body | {"stream": True} | fields
        with self.http.stream("POST", CHAT, headers=bearer(self.key), json=body) as reply:
            yield reply

    def deltas(self, **fields: Any) -> tuple[str, str | None]:
        """Return the text of a streamed answer, and its finish_reason."""
        with self.streaming(**fields) as reply:
            chunks = [json.loads(x) for x in data_lines(reply) if x != "[DONE]"]
        choices = [chunk["choices"][0] for chunk in chunks if chunk.get("choices")]
        text = "".join(c["delta"].get("content") or "" for c in choices)
        return text, next((c["finish_reason"] for c in choices if c.get("finish_reason")), None)


def bearer(key: str) -> dict[str, str]:
    """Return the header that carries the key."""
    return {"Authorization": f"Bearer {key}"}


def data_lines(reply: httpx.Response) -> Iterator[str]:
    """Yield the data of the server-sent events as they come."""
    for line in reply.iter_lines():
        if line.startswith("data:"):
            yield line.removeprefix("data:").strip()


def json_of(reply: httpx.Response) -> dict[str, Any]:
    """Return the body where it is a JSON object, else an empty one."""
    try:
        body = reply.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def wait(condition: Callable[[], object], seconds: float = 30) -> bool:
    """Wait until the condition holds; return whether it does."""
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)
    return bool(condition())
