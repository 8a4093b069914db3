# caught by: two_at_once
# The engine computes on the event loop: until it has ended nobody else is heard.
# %% [markdown]
# # An OpenAI-compatible server
#
# `/v1/models` and `/v1/chat/completions` for your own model, with FastAPI: whatever speaks
# OpenAI's protocol (an editor, a library, the tutor itself) can talk to it then.

# %%
import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException as StarletteHTTPException

from exercises.week6.engine import Engine

# %% [markdown]
# ## 1. What a request may hold
#
# Types and bounds are written down once; what breaks them never reaches the model.


# %%
class Message(BaseModel):
    role: Literal["system", "user", "assistant"]
    content: str


class Ask(BaseModel):
    """The body of POST /v1/chat/completions. Fields that we do not know are left alone."""

    model: str
    messages: list[Message] = Field(min_length=1)
    temperature: float = Field(0.7, ge=0, le=2)
    max_tokens: int = Field(128, ge=1, le=512)
    stop: str | list[str] | None = None
    stream: bool = False

    def stops(self) -> list[str]:
        stops = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return [stop for stop in stops if stop]


# %% [markdown]
# ## 2. Errors in OpenAI's form


# %%
def error(status: int, message: str, code: str) -> HTTPException:
    kind = "invalid_request_error" if status < 500 else "server_error"
    return HTTPException(status, {"message": message, "type": kind, "code": code})


def error_body(detail) -> dict:
    """Return {"error": {"message", "type", "code"}}, also for errors that are not ours."""
    if not isinstance(detail, dict):
        detail = {"message": str(detail), "type": "invalid_request_error", "code": None}
    return {"error": detail}


async def on_http_error(request: Request, raised: StarletteHTTPException) -> JSONResponse:
    return JSONResponse(error_body(raised.detail), raised.status_code)


async def on_bad_body(request: Request, raised: RequestValidationError) -> JSONResponse:
    first = raised.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part != "body")
    found = error(400, f"{where}: {first['msg']}", "invalid_value")
    return JSONResponse(error_body(found.detail), found.status_code)


# %% [markdown]
# ## 3. The answer in pieces
#
# The engine blocks while it computes, so each piece is fetched on a thread: the event loop goes
# on serving others. The lock lets one answer at a time into the engine.


# %%
async def pieces(request: Request, engine: Engine, lock: asyncio.Lock, ask: Ask):
    """Yield the engine's pieces; whoever closes this, or goes away, ends the generation."""
    messages = [message.model_dump() for message in ask.messages]
    async with lock:
        generator = engine.stream(messages, ask.temperature, ask.max_tokens)
        try:
            for piece in list(generator):
                if await request.is_disconnected():
                    return
                yield piece
        finally:
            generator.close()


@dataclass
class Tally:
    """What is known of an answer once it has ended."""

    tokens: int = 0
    finish_reason: str = "stop"


async def until_stop(source: AsyncIterator[str], ask: Ask, tally: Tally) -> AsyncIterator[str]:
    """Yield the text up to the first stop string, which may come in several pieces: what may be
    its beginning is held back until the next piece decides."""
    held = ""
    async for piece in source:
        tally.tokens += 1
        held += piece
        found = [held.find(stop) for stop in ask.stops() if stop in held]
        if found:
            yield held[: min(found)]
            return
        sure = len(held) - max((overlap(held, stop) for stop in ask.stops()), default=0)
        yield held[:sure]
        held = held[sure:]
    yield held
    if tally.tokens >= ask.max_tokens:
        tally.finish_reason = "length"


def overlap(text: str, stop: str) -> int:
    """Return the length of the longest end of the text with which the stop string begins."""
    return max(n for n in range(len(stop)) if text.endswith(stop[:n]))


# %% [markdown]
# ## 4. The two forms of an answer


# %%
def head(kind: str, engine: Engine) -> dict:
    made = int(time.time())
    return {
        "id": f"chatcmpl-{secrets.token_hex(12)}",
        "object": kind,
        "created": made,
        "model": engine.name,
    }


def whole(engine: Engine, text: str, prompt_tokens: int, tally: Tally) -> dict:
    message = {"role": "assistant", "content": text}
    return head("chat.completion", engine) | {
        "choices": [{"index": 0, "message": message, "finish_reason": tally.finish_reason}],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": tally.tokens,
            "total_tokens": prompt_tokens + tally.tokens,
        },
    }


async def events(engine: Engine, answer: AsyncIterator[str], tally: Tally) -> AsyncIterator[str]:
    """Yield server-sent events: the role, the text, the reason of the end, and [DONE]."""
    common = head("chat.completion.chunk", engine)

    def event(delta: dict, reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return f"data: {json.dumps(common | {'choices': [choice]}, ensure_ascii=False)}\n\n"

    yield event({"role": "assistant", "content": ""})
    async for text in answer:
        if text:
            yield event({"content": text})
    yield event({}, tally.finish_reason)
    yield "data: [DONE]\n\n"


# %% [markdown]
# ## 5. The app


# %%
def build_app(engine: Engine, key: str) -> FastAPI:
    """Return the server of this engine, for those who send `Authorization: Bearer <key>`."""
    lock = asyncio.Lock()

    def authorize(authorization: Annotated[str, Header()] = "") -> None:
        # In constant time: how long a comparison takes must not tell how much was right.
        if not secrets.compare_digest(authorization.encode(), f"Bearer {key}".encode()):
            raise error(401, "The API key is missing or wrong.", "invalid_api_key")

    app = FastAPI(dependencies=[Depends(authorize)], openapi_url=None)
    app.add_exception_handler(StarletteHTTPException, on_http_error)
    app.add_exception_handler(RequestValidationError, on_bad_body)

    @app.get("/v1/models")
    async def models():
        model = {"id": engine.name, "object": "model", "created": 0, "owned_by": "me"}
        return {"object": "list", "data": [model]}

    @app.post("/v1/chat/completions")
    async def completions(ask: Ask, request: Request):
        if ask.model != engine.name:
            raise error(404, f"There is no model {ask.model!r}.", "model_not_found")
        prompt_tokens = engine.count([message.model_dump() for message in ask.messages])
        if prompt_tokens + ask.max_tokens > engine.context:
            text = f"{prompt_tokens} + {ask.max_tokens} tokens; the context has {engine.context}."
            raise error(400, text, "context_length_exceeded")
        tally = Tally()

        async def answer() -> AsyncIterator[str]:
            # Closed at once when a stop string ends the answer: the next one waits for the lock.
            async with aclosing(pieces(request, engine, lock, ask)) as source:
                async for text in until_stop(source, ask, tally):
                    yield text

        if ask.stream:
            return StreamingResponse(
                events(engine, answer(), tally), media_type="text/event-stream"
            )
        text = "".join([piece async for piece in answer()])
        return whole(engine, text, prompt_tokens, tally)

    return app


# %% [markdown]
# ## Try it
#
# `python serve.py [your.gguf]` prints a key and serves until Ctrl-C; then, in another terminal:
#
#     curl http://127.0.0.1:8000/v1/chat/completions -H "Authorization: Bearer $KEY" \
#       -H "Content-Type: application/json" -d '{"model": "…", "stream": true,
#       "messages": [{"role": "user", "content": "What is a lighthouse for?"}]}'

# %%
if __name__ == "__main__":
    import os
    import sys

    import uvicorn

    from exercises.week6.engine import load

    KEY = os.environ.get("MY_SERVER_KEY") or secrets.token_hex(16)
    ENGINE = load(sys.argv[1] if len(sys.argv) > 1 else None)
    print(f"model {ENGINE.name}, key {KEY}")
    uvicorn.run(build_app(ENGINE, KEY), host="127.0.0.1", port=8000, log_level="warning")
