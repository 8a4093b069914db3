# %% [markdown]
# # An OpenAI-compatible server
#
# `/v1/models` and `/v1/chat/completions` for your own model, with FastAPI: whatever speaks
# OpenAI's protocol (an editor, a library, the tutor itself) can talk to it then.
#
# Fill each gap (`raise NotImplementedError`), keep the signature of `build_app`; all else may
# change. Check with `tutor check week6/serve`.

# %%
import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import aclosing  # noqa: F401
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends, FastAPI, Header, HTTPException, Request  # noqa: F401
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse  # noqa: F401
from pydantic import BaseModel, Field  # noqa: F401
from starlette.concurrency import run_in_threadpool  # noqa: F401
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
    messages: list[Message]  # at least one: Field(min_length=1)
    temperature: float = 0.7  # add the bounds: 0 to 2
    max_tokens: int = 128  # 1 to 512
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
    # raised.errors() lists what is wrong, each with "loc" and "msg".
    raise NotImplementedError("on_bad_body: status 400 and an error body")


# %% [markdown]
# ## 3. The answer in pieces
#
# The engine blocks while it computes, so each piece is fetched on a thread: the event loop goes
# on serving others. The lock lets one answer at a time into the engine.


# %%
async def pieces(request: Request, engine: Engine, lock: asyncio.Lock, ask: Ask):
    """Yield the engine's pieces; whoever closes this, or goes away, ends the generation."""
    # run_in_threadpool(next, generator, None) fetches one; None: there are no more.
    raise NotImplementedError("pieces: lock, engine, one piece after another, and the end")
    yield ""


@dataclass
class Tally:
    """What is known of an answer once it has ended."""

    tokens: int = 0
    finish_reason: str = "stop"


async def until_stop(source: AsyncIterator[str], ask: Ask, tally: Tally) -> AsyncIterator[str]:
    """Yield the text up to the first stop string, which may come in several pieces: what may be
    its beginning is held back until the next piece decides."""
    raise NotImplementedError("until_stop: hold back, cut, count")
    yield ""


def overlap(text: str, stop: str) -> int:
    """Return the length of the longest end of the text with which the stop string begins."""
    raise NotImplementedError("overlap: how much of the end may begin the stop string")


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
    raise NotImplementedError("whole: choices with message and finish_reason, and usage")


async def events(engine: Engine, answer: AsyncIterator[str], tally: Tally) -> AsyncIterator[str]:
    """Yield server-sent events: the role, the text, the reason of the end, and [DONE]."""
    common = head("chat.completion.chunk", engine)

    def event(delta: dict, reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return f"data: {json.dumps(common | {'choices': [choice]}, ensure_ascii=False)}\n\n"

    raise NotImplementedError("events: the role, the text, the reason of the end, [DONE]")
    yield event({})


# %% [markdown]
# ## 5. The app


# %%
def build_app(engine: Engine, key: str) -> FastAPI:
    """Return the server of this engine, for those who send `Authorization: Bearer <key>`."""
    lock = asyncio.Lock()  # noqa: F841 - held while an answer is generated

    def authorize(authorization: Annotated[str, Header()] = "") -> None:
        # In constant time: how long a comparison takes must not tell how much was right.
        if not secrets.compare_digest(authorization.encode(), f"Bearer {key}".encode()):
            raise error(401, "The API key is missing or wrong.", "invalid_api_key")

    # FastAPI(dependencies=[Depends(authorize)]), the two handlers, the two routes.
    raise NotImplementedError("build_app: the handlers of errors and the routes")


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
