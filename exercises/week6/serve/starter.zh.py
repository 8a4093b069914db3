# %% [markdown]
# # OpenAI 兼容的服务
#
# 用 FastAPI 为你自己的模型实现 `/v1/models` 和 `/v1/chat/completions`：
# 凡是会说 OpenAI 协议的（编辑器、库、tutor 自己），就都能和它对话。
#
# 补全每处空缺（`raise NotImplementedError`），`build_app` 的签名保持不变，其余都可以改。
# 用 `tutor check week6/serve` 批改。

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
# ## 1. 请求里可以有什么
#
# 类型和界限只写一次；不符合的请求到不了模型。


# %%
class Message(BaseModel):
    role: Literal["system", "user", "assistant"]
    content: str


class Ask(BaseModel):
    """POST /v1/chat/completions 的请求体。不认识的字段不予理会。"""

    model: str
    messages: list[Message]  # 至少一条：Field(min_length=1)
    temperature: float = 0.7  # 加上界限：0 到 2
    max_tokens: int = 128  # 1 到 512
    stop: str | list[str] | None = None
    stream: bool = False

    def stops(self) -> list[str]:
        stops = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return [stop for stop in stops if stop]


# %% [markdown]
# ## 2. OpenAI 格式的错误


# %%
def error(status: int, message: str, code: str) -> HTTPException:
    kind = "invalid_request_error" if status < 500 else "server_error"
    return HTTPException(status, {"message": message, "type": kind, "code": code})


def error_body(detail) -> dict:
    """返回 {"error": {"message", "type", "code"}}，不是我们自己抛出的错误也一样。"""
    if not isinstance(detail, dict):
        detail = {"message": str(detail), "type": "invalid_request_error", "code": None}
    return {"error": detail}


async def on_http_error(request: Request, raised: StarletteHTTPException) -> JSONResponse:
    return JSONResponse(error_body(raised.detail), raised.status_code)


async def on_bad_body(request: Request, raised: RequestValidationError) -> JSONResponse:
    # raised.errors() 列出各处错误，每项都有 "loc" 和 "msg"。
    raise NotImplementedError("on_bad_body：状态码 400 和错误体")


# %% [markdown]
# ## 3. 逐段产出回答
#
# 引擎计算时会阻塞，所以每个片段都放到线程里取：事件循环可以继续为别人服务。
# 有了锁，引擎一次只生成一个回答。


# %%
async def pieces(request: Request, engine: Engine, lock: asyncio.Lock, ask: Ask):
    """产出引擎的片段；生成器被关闭，或者客户端离开，生成就结束。"""
    # run_in_threadpool(next, generator, None) 取一个片段；None：没有了。
    raise NotImplementedError("pieces：锁、引擎、逐个片段、结束")
    yield ""


@dataclass
class Tally:
    """回答结束后才知道的信息。"""

    tokens: int = 0
    finish_reason: str = "stop"


async def until_stop(source: AsyncIterator[str], ask: Ask, tally: Tally) -> AsyncIterator[str]:
    """产出第一个停止串之前的文本。停止串可能分散在几个片段里：可能是它开头的部分先扣住，
    等下一个片段来决定。"""
    raise NotImplementedError("until_stop：扣住、截断、计数")
    yield ""


def overlap(text: str, stop: str) -> int:
    """返回文本末尾与停止串开头相同的最长一段的长度。"""
    raise NotImplementedError("overlap：结尾有多少可能是停止串的开头")


# %% [markdown]
# ## 4. 回答的两种形式


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
    raise NotImplementedError("whole：含 message 和 finish_reason 的 choices，以及 usage")


async def events(engine: Engine, answer: AsyncIterator[str], tally: Tally) -> AsyncIterator[str]:
    """产出服务器发送事件：role、文本、结束原因和 [DONE]。"""
    common = head("chat.completion.chunk", engine)

    def event(delta: dict, reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return f"data: {json.dumps(common | {'choices': [choice]}, ensure_ascii=False)}\n\n"

    raise NotImplementedError("events：role、文本、结束原因、[DONE]")
    yield event({})


# %% [markdown]
# ## 5. 应用


# %%
def build_app(engine: Engine, key: str) -> FastAPI:
    """返回这个引擎的服务，只供带有 `Authorization: Bearer <key>` 的请求使用。"""
    lock = asyncio.Lock()  # noqa: F841 - held while an answer is generated

    def authorize(authorization: Annotated[str, Header()] = "") -> None:
        # 恒定时间的比较：不能让耗时透露对了多少。
        if not secrets.compare_digest(authorization.encode(), f"Bearer {key}".encode()):
            raise error(401, "The API key is missing or wrong.", "invalid_api_key")

    # FastAPI(dependencies=[Depends(authorize)])、两个处理器、两个路由。
    raise NotImplementedError("build_app：错误处理器和路由")


# %% [markdown]
# ## 试一试
#
# `python serve.py [你的.gguf]` 会打印一个密钥，一直运行到按下 Ctrl-C；然后在另一个终端里：
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
