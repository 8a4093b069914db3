"""A small asynchronous client of the OpenAI-compatible chat protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Any, TypedDict

from tutor.base.errors import Exit, TutorError
from tutor.base.i18n import say
from tutor.base.text import printable
from tutor.engine.stream import ProtocolError, ServerError, ThoughtError, pieces

if TYPE_CHECKING:
    import httpx
    from tenacity import RetryCallState

    from tutor.engine.process import Endpoint

READ_TIMEOUT_S = 120.0
"""Between two tokens; the first waits for the prompt, which on an old laptop takes a while."""
CONNECT_TIMEOUT_S = 10.0
TRIES = 3
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 8.0
"""A server that asks for a longer wait is busy for now, which is said at once."""
PASSING = (429, 500, 502, 503, 504)
"""HTTP statuses that another try may not meet."""
REFUSED_FORMAT = (400, 415, 422, 501)
"""HTTP statuses with which servers refuse a response_format that they do not know.

llama-cpp-python's does it with 500, and names the field in what it says.
"""


class EngineError(TutorError):
    """The engine, or the server in its place, does not answer as it should."""

    def __init__(self, message: str, hint: str = "", code: Exit = Exit.MISSING) -> None:
        super().__init__(message, hint, code)


class _BusyError(EngineError):
    """A failure that another try may not meet. retry_after_s: what the server asked for."""

    retry_after_s: float | None = None


class Message(TypedDict):
    """One message of a chat: role is "system", "user" or "assistant"."""

    role: str
    content: str


def _json_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """OpenAI's way: Ollama, LM Studio, vLLM and llama-server know it."""
    return {"type": "json_schema", "json_schema": {"name": "step", "schema": schema}}


def _json_object(schema: dict[str, Any]) -> dict[str, Any]:
    """llama-cpp-python's way; a server that knows JSON but no schema leaves the schema out."""
    return {"type": "json_object", "schema": schema}


Form = Callable[[dict[str, Any]], dict[str, Any]]
_FORMATS: tuple[Form | None, ...] = (_json_schema, _json_object, None)
"""Ways to ask for a schema, tried in this order; at the last the prompt alone asks for it."""
_known_format: dict[str, int] = {}
"""By a server's URL: the index of the first way that it took."""


class ChatClient:
    """Chat with an endpoint. Use as `async with ChatClient(endpoint) as client`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    async def __aenter__(self) -> ChatClient:
        import httpx

        self.http: httpx.AsyncClient = httpx.AsyncClient(
            base_url=self.endpoint.base_url,
            headers=_authorization(self.endpoint.api_key),
            timeout=httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
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
        seed: int | None = None,
    ) -> AsyncIterator[str]:
        """Yield the answer's pieces as they are generated.

        max_tokens bounds the answer, always. schema: a JSON schema that the answer must obey
        where the server knows how. seed: of the sampling; None leaves it to the server.
        Closing the iterator stops the generation. A busy server is asked again a few times before
        its first piece.
        Raises EngineError where the server is not there, breaks off, stalls, refuses or
        only thinks.
        """
        body: dict[str, Any] = {
            "model": self.endpoint.model,
            "messages": list(messages),
            "max_tokens": max_tokens,
            "temperature": temperature,
            "stream": True,
        }
        if stop:
            body["stop"] = list(stop)
        if seed is not None:
            body["seed"] = seed
        with self._told():
            response = await self._patiently(body, schema)
            try:
                async with aclosing(pieces(response, max_tokens, READ_TIMEOUT_S)) as answer:
                    async for piece in answer:
                        yield piece
            finally:
                await response.aclose()

    async def complete(self, messages: Sequence[Message], **options: Any) -> str:
        """Return the whole answer; options as for `stream`."""
        return "".join([piece async for piece in self.stream(messages, **options)])

    async def _patiently(
        self, body: dict[str, Any], schema: dict[str, Any] | None
    ) -> httpx.Response:
        """Return a successful response whose body is yet to be read; the caller closes it."""
        from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt

        retrying = AsyncRetrying(
            stop=stop_after_attempt(TRIES),
            wait=_wait,
            retry=retry_if_exception_type(_BusyError),
            reraise=True,
        )
        return await retrying(self._ask, body, schema)

    async def _ask(self, body: dict[str, Any], schema: dict[str, Any] | None) -> httpx.Response:
        """Send the request, with the schema in the first form that the server takes."""
        if schema is None:
            return await self._accepted(await self._post(body))
        url = self.endpoint.base_url
        if self.endpoint.local:
            return await self._accepted(await self._post(body | _as_field(_json_object, schema)))
        for way in range(_known_format.get(url, 0), len(_FORMATS)):
            response = await self._post(body | _as_field(_FORMATS[way], schema))
            if response.is_success or not await _refuses_format(response):
                break
        await self._accepted(response)
        _known_format[url] = way
        return response

    async def _post(self, body: dict[str, Any]) -> httpx.Response:
        request = self.http.build_request("POST", "/chat/completions", json=body)
        return await self.http.send(request, stream=True)

    async def _accepted(self, response: httpx.Response) -> httpx.Response:
        """Return the response, or close it and raise what its status means."""
        if response.is_success:
            return response
        detail = (await response.aread()).decode(errors="replace")
        await response.aclose()
        if self.endpoint.api_key:
            detail = detail.replace(self.endpoint.api_key, "…")
        raise _refused(response, " ".join(printable(detail).split())[:300])

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Raise what goes wrong on the way as an EngineError."""
        import httpx

        try:
            yield
        except httpx.TimeoutException as error:
            raise EngineError(
                say("The model did not answer in time.", "模型未能及时回答。"),
                say("Ask again, or use a smaller model.", "请再试一次，或换用较小的模型。"),
                Exit.TIMED_OUT,
            ) from error
        except httpx.TransportError as error:
            raise self._gone() from error
        except ServerError as error:
            raise EngineError(
                say(f"The model server said: {error}", f"模型服务报告：{error}"),
                say("Ask again in a moment.", "请稍后再试。"),
            ) from error
        except ThoughtError as error:
            raise EngineError(
                say(
                    "The model thought, and came to no answer.", "模型只输出了思考，没有给出回答。"
                ),
                say(
                    "Switch its thinking off on the server, or set another model.",
                    "请在服务端关闭它的思考模式，或换用其他模型。",
                ),
            ) from error
        except ProtocolError as error:
            raise _not_understood(self.endpoint.base_url) from error

    def _gone(self) -> EngineError:
        if self.endpoint.local:
            return EngineError(
                say("The engine stopped while it answered.", "推理引擎在回答过程中停止了。"),
                say("Ask again: it starts anew.", "请再问一次，引擎会自动重启。"),
            )
        return _unreachable(self.endpoint.base_url)


def address(base_url: str) -> str:
    """Return the setting as requests' paths are added to it.

    Raises EngineError (usage) where it is no URL.
    """
    import httpx

    try:
        httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise EngineError(
            say(f"base_url is not an address: {error}", f"base_url 不是有效的地址：{error}"),
            say("It looks like http://localhost:11434/v1", "写法如：http://localhost:11434/v1"),
            Exit.USAGE,
        ) from error
    return base_url.rstrip("/")


def served_model(base_url: str, api_key: str) -> str:
    """Return the first chat model that a server lists, "default" where it lists none.

    Raises EngineError where the server is not there.
    """
    import httpx

    try:
        answer = httpx.get(
            f"{base_url}/models", headers=_authorization(api_key), timeout=CONNECT_TIMEOUT_S
        )
        listed = answer.json()["data"]
        ids = [str(model["id"]) for model in listed]
    except httpx.HTTPError as error:
        raise _unreachable(base_url) from error
    except (ValueError, KeyError, TypeError):
        return "default"
    chat = [name for name in ids if "embed" not in name.lower()]
    return (chat or ids or ["default"])[0]


def _as_field(form: Form | None, schema: dict[str, Any]) -> dict[str, Any]:
    return {"response_format": form(schema)} if form else {}


async def _refuses_format(response: httpx.Response) -> bool:
    """Tell whether a failure may be about response_format."""
    said = await response.aread()
    await response.aclose()
    named = response.status_code == 500 and b"response_format" in said
    return named or response.status_code in REFUSED_FORMAT


def _authorization(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after_s if isinstance(error, _BusyError) else None
    return FIRST_WAIT_S * 2 ** (state.attempt_number - 1) if asked is None else asked


def _refused(response: httpx.Response, detail: str) -> EngineError:
    """Return the error for a status that is no success."""
    status = response.status_code
    message = say(
        f"The model server answered {status}: {detail}", f"模型服务返回 {status}：{detail}"
    )
    if status == 404:
        return EngineError(
            message,
            say(
                "base_url usually ends in /v1; model must be one that the server has.",
                "base_url 通常以 /v1 结尾；model 须是该服务已有的模型。",
            ),
        )
    if status not in PASSING:
        return EngineError(message, say("Run: tutor doctor", "请运行：tutor doctor"))
    asked = _seconds(response.headers.get("retry-after", ""))
    wait = say(f"Ask again in {asked:.0f} s.", f"请 {asked:.0f} 秒后再试。") if asked else ""
    hint = wait or say("Ask again in a moment.", "请稍后再试。")
    if asked is not None and asked > LONGEST_WAIT_S:
        return EngineError(message, hint)
    busy = _BusyError(message, hint)
    busy.retry_after_s = asked
    return busy


def _seconds(header: str) -> float | None:
    """Read Retry-After where it is a number; its other form, a date, servers of models do not use."""
    try:
        return max(0.0, float(header))
    except ValueError:
        return None


def _unreachable(url: str) -> EngineError:
    return EngineError(
        say(f"{url} does not answer.", f"{url} 没有响应。"),
        say(
            "Is that server running? Without the base_url setting the tutor uses its own.",
            "该服务是否在运行？去掉 base_url 设置即可使用内置引擎。",
        ),
    )


def _not_understood(url: str) -> EngineError:
    return EngineError(
        say(f"{url} does not answer as a chat server.", f"{url} 的回答不符合聊天协议。"),
        say(
            "base_url must name an OpenAI-compatible server; it usually ends in /v1.",
            "base_url 必须指向 OpenAI 兼容的服务，通常以 /v1 结尾。",
        ),
    )
