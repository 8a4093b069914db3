"""A small asynchronous client of the OpenAI-compatible chat protocol."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from tutor.base.errors import Exit, TutorError
from tutor.base.i18n import say

if TYPE_CHECKING:
    import httpx

    from tutor.engine.process import Endpoint

READ_TIMEOUT_S = 120.0
"""Between two tokens; the first waits for the prompt, which on an old laptop takes a while."""


class EngineError(TutorError):
    """The engine, or the server in its place, does not answer as it should."""

    def __init__(self, message: str, hint: str = "", code: Exit = Exit.MISSING) -> None:
        super().__init__(message, hint, code)


class Message(TypedDict):
    """One message of a chat: role is "system", "user" or "assistant"."""

    role: str
    content: str


class ChatClient:
    """Chat with an endpoint. Use as `async with ChatClient(endpoint) as client`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    async def __aenter__(self) -> ChatClient:
        import httpx

        key = self.endpoint.api_key
        self.http: httpx.AsyncClient = httpx.AsyncClient(
            base_url=self.endpoint.base_url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(READ_TIMEOUT_S, connect=10),
            trust_env=not self.endpoint.local,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def stream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
        schema: dict[str, Any] | None = None,
    ) -> AsyncIterator[str]:
        """Yield the answer's pieces as they are generated.

        max_tokens bounds the answer, always. schema: a JSON schema that the answer must obey
        where the server knows how. Closing the iterator stops the generation.
        Raises EngineError where the server is not there, breaks off or refuses.
        """
        import httpx

        body = {
            "model": self.endpoint.model,
            "messages": list(messages),
            "max_tokens": max_tokens,
            "temperature": temperature,
            "stream": True,
        }
        if stop:
            body["stop"] = list(stop)
        if schema:
            body["response_format"] = self._response_format(schema)
        try:
            async with self.http.stream("POST", "/chat/completions", json=body) as response:
                await _raise_for_status(response)
                async for piece in _pieces(response):
                    yield piece
        except httpx.TimeoutException as error:
            raise EngineError(
                say("The model did not answer in time.", "模型未能及时回答。"),
                say("Ask again, or use a smaller model.", "请再试一次，或换用较小的模型。"),
                Exit.TIMED_OUT,
            ) from error
        except httpx.TransportError as error:
            raise self._gone() from error

    async def complete(self, messages: Sequence[Message], **options: Any) -> str:
        """Return the whole answer; options as for `stream`."""
        return "".join([piece async for piece in self.stream(messages, **options)])

    def _response_format(self, schema: dict[str, Any]) -> dict[str, Any]:
        if self.endpoint.local:
            return {"type": "json_object", "schema": schema}
        return {"type": "json_schema", "json_schema": {"name": "step", "schema": schema}}

    def _gone(self) -> EngineError:
        if self.endpoint.local:
            return EngineError(
                say("The engine stopped while it answered.", "推理引擎在回答过程中停止了。"),
                say("Ask again: it starts anew.", "请再问一次，引擎会自动重启。"),
            )
        url = self.endpoint.base_url
        return EngineError(
            say(f"{url} does not answer.", f"{url} 没有响应。"),
            say(
                "Is that server running? Without the base_url setting the tutor uses its own.",
                "该服务是否在运行？去掉 base_url 设置即可使用内置引擎。",
            ),
        )


async def _pieces(response: httpx.Response) -> AsyncIterator[str]:
    """Yield the text of each server-sent event; raise where the stream ends before its end."""
    import httpx

    async for line in response.aiter_lines():
        if not line.startswith("data:"):
            continue
        data = line.removeprefix("data:").strip()
        if data == "[DONE]":
            return
        try:
            event = json.loads(data)
        except json.JSONDecodeError:
            continue  # a half line of a server that talks nonsense
        if "error" in event:
            raise EngineError(str(event["error"]))
        for choice in event.get("choices") or []:
            if piece := (choice.get("delta") or {}).get("content"):
                yield piece
    raise httpx.RemoteProtocolError("the stream ended before [DONE]")


async def _raise_for_status(response: httpx.Response) -> None:
    if response.is_success:
        return
    detail = (await response.aread()).decode(errors="replace")[:300]
    status = response.status_code
    raise EngineError(
        say(f"The model server answered {status}: {detail}", f"模型服务返回 {status}：{detail}"),
        say(
            "Ask again in a moment." if status in (429, 503) else "Run: tutor doctor",
            "请稍后再试。" if status in (429, 503) else "请运行：tutor doctor",
        ),
    )
