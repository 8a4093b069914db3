"""The engine process: llama-cpp-python's OpenAI-compatible server on loopback.

Started by tutor.engine.process as `python -m tutor.engine.server NAME FILE LORA CONTEXT IDLE_S`,
with its key in TUTOR_ENGINE_KEY. It records itself in engine.json when the model is loaded, and
ends after IDLE_S seconds without a request.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import socket
import sys
import time

import msgspec
import psutil
import uvicorn
from llama_cpp.server.app import create_app
from llama_cpp.server.settings import ModelSettings, ServerSettings

from tutor.base import home
from tutor.base.writing import written
from tutor.engine.process import Record

HEALTH = "/health"


class Watch:
    """ASGI middleware: answers /health without waiting for the model, and keeps the time of the
    last request, by which an idle engine is known."""

    def __init__(self, app, key: str) -> None:  # type: ignore[no-untyped-def]
        self.app = app
        self.key = f"Bearer {key}".encode()
        self.active = 0
        self.last = time.monotonic()

    async def __call__(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        if scope["path"] == HEALTH:
            return await self._health(scope, send)
        self.active += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.active -= 1
            self.last = time.monotonic()

    async def _health(self, scope, send) -> None:  # type: ignore[no-untyped-def]
        given = dict(scope["headers"]).get(b"authorization", b"")
        status = 200 if hmac.compare_digest(given, self.key) else 401
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def idle_s(self) -> float:
        return 0.0 if self.active else time.monotonic() - self.last


async def serve(watch: Watch, listener: socket.socket, record: Record, idle_s: float) -> None:
    """Serve until idle for `idle_s` seconds or told to stop; leave no record behind."""
    server = uvicorn.Server(uvicorn.Config(watch, log_level="warning", lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    _write_record(record)
    try:
        while not serving.done():
            await asyncio.wait({serving}, timeout=min(idle_s / 4, 5))
            if watch.idle_s() > idle_s:
                server.should_exit = True
    finally:
        _remove_record(record)


def model_settings(name: str, file: str, lora: str, context_tokens: int) -> ModelSettings:
    """Return how the tutor loads a model, whoever serves it. lora: empty for none."""
    return ModelSettings(
        model=file,
        model_alias=name,
        lora_path=lora or None,
        n_ctx=context_tokens,
        n_gpu_layers=-1,
        # Generation waits for memory, not for arithmetic: one thread a physical core.
        n_threads=psutil.cpu_count(logical=False) or 1,
        n_threads_batch=psutil.cpu_count(logical=False) or 1,
        # The default keeps the logits of every prompt token: gigabytes at this vocabulary.
        logits_all=False,
        verbose=False,
    )


def main(name: str, file: str, lora: str, context_tokens: str, idle_s: str) -> None:
    key = os.environ["TUTOR_ENGINE_KEY"]
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    model = model_settings(name, file, lora, int(context_tokens))
    # A second face's question waits its turn rather than cutting the first one off.
    server = ServerSettings(host="127.0.0.1", port=port, api_key=key, interrupt_requests=False)
    watch = Watch(create_app(server_settings=server, model_settings=[model]), key)
    record = Record(os.getpid(), port, key, name, file, int(context_tokens), lora)
    asyncio.run(serve(watch, listener, record, float(idle_s)))


def _write_record(record: Record) -> None:
    with written(home.engine_file()) as part:
        part.touch(mode=0o600)  # it holds the key
        part.write_bytes(msgspec.json.encode(record))


def _remove_record(record: Record) -> None:
    path = home.engine_file()
    if path.exists() and msgspec.json.decode(path.read_bytes(), type=Record).pid == record.pid:
        path.unlink()


if __name__ == "__main__":
    main(*sys.argv[1:])
