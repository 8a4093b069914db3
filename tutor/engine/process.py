"""Start, find, share and stop the engine process.

The running engine is recorded in TUTOR_HOME/engine.json. Whoever needs it calls `ensure`: one
that answers is shared, one that died or serves another model is replaced.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tutor.base import assets, home
from tutor.base.i18n import say
from tutor.base.settings import Settings
from tutor.base.threads import in_thread
from tutor.engine.client import EngineError, address, served_model

HEALTH_TIMEOUT_S = 2.0
HEALTH_TRIES = 5
"""Beside a training on two cores a live engine misses one now and then."""
START_TIMEOUT_S = 120.0
"""Reading the largest model of the catalogue from a cold, slow disk takes about a minute."""

PROFILE_MODELS = {
    "tiny": "smollm2-135m",
    "default": "qwen2.5-coder-1.5b",
    "hub": "qwen2.5-coder-1.5b",
}


@dataclass(frozen=True)
class Endpoint:
    """An OpenAI-compatible server. `local`: the tutor's own, which obeys JSON schemas."""

    base_url: str
    api_key: str
    model: str
    local: bool


@dataclass(frozen=True)
class Record:
    """What a running engine writes into engine.json."""

    pid: int
    port: int
    key: str
    model: str
    file: str
    context_tokens: int
    lora: str = ""


@dataclass(frozen=True)
class Loaded:
    """What a model's name means on disk. lora: an adapter to load beside the file, or empty."""

    name: str
    file: str
    lora: str


def chat_model(settings: Settings) -> str:
    """Return the chat model that the settings mean: an asset's name or the path of a GGUF file."""
    return settings.model or PROFILE_MODELS[settings.profile]


def find(name: str) -> Loaded:
    """Return the files of a model: an asset's, one of the workshop's, or a GGUF file's path.

    Raises MissingError where it is not there.
    """
    if name.endswith(".gguf") and Path(name).is_file():
        return Loaded(name, name, "")
    return Loaded(name, str(assets.path(name)), str(assets.lora(name) or ""))


def ensure(settings: Settings) -> Endpoint:
    """Return an endpoint that answers; start the engine if none does.

    Raises MissingError where the model is not there, EngineError where it does not start or
    base_url is no URL.
    """
    if settings.base_url:
        url, key = address(settings.base_url), settings.api_key
        return Endpoint(url, key, settings.model or served_model(url, key), False)
    from filelock import FileLock

    model = find(chat_model(settings))
    wanted = (model.file, model.lora, settings.context_tokens)
    with FileLock(home.engine_file().with_suffix(".lock")):
        record = _running()
        if record and (record.file, record.lora, record.context_tokens) != wanted:
            _end(record)
            record = None
        record = record or _start(model, settings)
    return Endpoint(f"http://127.0.0.1:{record.port}/v1", record.key, record.model, True)


def starting(settings: Settings) -> Future[Endpoint]:
    """Call `ensure` in a thread that nobody waits for: whoever leaves while the model is read
    leaves at once, and the engine goes on for the next question. Raises as `ensure`."""
    return in_thread(lambda: ensure(settings), "engine")


async def ready(settings: Settings) -> Endpoint:
    """Return what `starting` comes to, for those who have nothing to do meanwhile. Raises as
    `ensure`."""
    import asyncio

    return await asyncio.wrap_future(starting(settings))


def stop() -> bool:
    """Stop the running engine; tell whether there was one."""
    if record := _running():
        _end(record)
        return True
    return False


def _running() -> Record | None:
    """Return the record of an engine that answers, or None."""
    try:
        record = msgspec.json.decode(home.engine_file().read_bytes(), type=Record)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return record if _answers(record) else None


def _answers(record: Record) -> bool:
    """Tell whether the engine is up. One that is slow to say so is asked again while its process
    lives: a second one beside it would take its memory twice."""
    import httpx
    import psutil

    for _ in range(HEALTH_TRIES):
        try:
            answer = httpx.get(
                f"http://127.0.0.1:{record.port}/health",
                headers={"Authorization": f"Bearer {record.key}"},
                timeout=HEALTH_TIMEOUT_S,
                trust_env=False,
            )
        except httpx.TimeoutException:
            if not psutil.pid_exists(record.pid):
                return False
        except httpx.HTTPError:
            return False
        else:
            return answer.status_code == httpx.codes.OK
    return False


def _start(model: Loaded, settings: Settings) -> Record:
    home.engine_file().unlink(missing_ok=True)
    log = home.logs_dir() / "engine.log"
    command = [sys.executable, "-m", "tutor.engine.server", model.name, model.file, model.lora]
    command += [str(settings.context_tokens), str(settings.engine_idle_s)]
    # The key goes through the environment: a command line is for every user to read.
    environment = os.environ | {"TUTOR_ENGINE_KEY": secrets.token_urlsafe(24)}
    # Threads that sleep while they wait: beside an editor and a training job, spinning ones
    # slow everything down, themselves most.
    environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    for _ in _ticks(START_TIMEOUT_S):
        if process.poll() is not None:
            raise EngineError(_why_it_ended(process.returncode), _log_hint(log))
        if record := _running():
            return record
    process.kill()
    raise EngineError(
        say("The engine did not start in time.", "推理引擎未能按时启动。"), _log_hint(log)
    )


def _end(record: Record) -> None:
    """End the engine's process: it is ours if it answered with its key."""
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(record.pid)
        process.terminate()
        try:
            process.wait(5)
        except psutil.TimeoutExpired:
            process.kill()
    home.engine_file().unlink(missing_ok=True)


def _ticks(seconds: float, every: float = 0.05) -> Iterator[None]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(every)


def _why_it_ended(returncode: int) -> str:
    if returncode < 0:
        return say(
            f"The engine crashed at its start (signal {-returncode}).",
            f"推理引擎启动时崩溃（信号 {-returncode}）。",
        )
    return say(
        f"The engine could not start (exit status {returncode}).",
        f"推理引擎无法启动（退出码 {returncode}）。",
    )


def _log_hint(log: Path) -> str:
    return say(f"Run: tutor doctor. Log: {log}", f"请运行：tutor doctor。日志：{log}")
