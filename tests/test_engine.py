"""The engine process with the real 135M model: shared, killed, restarted, idle, refused."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import httpx
import msgspec
import psutil
import pytest

from tutor import engine
from tutor.base import home as home_
from tutor.base import settings as settings_
from tutor.base.errors import MissingError
from tutor.base.settings import Settings
from tutor.engine.probe import probe
from tutor.engine.process import Record

ASK = [engine.Message(role="user", content="Count from one to fifty in words.")]


@pytest.fixture
def settings(home, smollm2) -> Iterator[Settings]:
    yield settings_.load()
    engine.stop()


def record() -> Record:
    return msgspec.json.decode(home_.engine_file().read_bytes(), type=Record)


async def say(endpoint: engine.Endpoint, **options) -> str:
    async with engine.ChatClient(endpoint) as client:
        return await client.complete(ASK, **{"max_tokens": 12} | options)


def test_one_engine_answers_every_face(settings) -> None:
    first, second = engine.ensure(settings), engine.ensure(settings)
    assert first == second
    assert len(asyncio.run(say(first))) > 10
    assert home_.engine_file().stat().st_mode & 0o077 == 0


def test_a_schema_is_obeyed(settings) -> None:
    schema = {
        "type": "object",
        "properties": {"answer": {"enum": ["yes", "no"]}},
        "required": ["answer"],
    }
    text = asyncio.run(say(engine.ensure(settings), schema=schema, max_tokens=30))
    assert msgspec.json.decode(text)["answer"] in ("yes", "no")


def test_without_the_key_nothing_is_answered(settings) -> None:
    endpoint = engine.ensure(settings)
    body = {"messages": ASK, "max_tokens": 1}
    url = f"{endpoint.base_url}/chat/completions"
    assert httpx.post(url, json=body).status_code == 401
    assert httpx.get(endpoint.base_url.replace("/v1", "/health")).status_code == 401


def test_killed_while_it_answers_then_asked_again(settings) -> None:
    async def killed() -> None:
        async with engine.ChatClient(engine.ensure(settings)) as client:
            async for _ in client.stream(ASK, max_tokens=400):
                os.kill(record().pid, signal.SIGKILL)

    with pytest.raises(engine.EngineError) as error:
        asyncio.run(killed())
    assert "Ask again" in error.value.hint
    assert len(asyncio.run(say(engine.ensure(settings)))) > 10


def test_closing_the_stream_stops_the_generation(settings) -> None:
    async def leave_then_ask() -> float:
        async with engine.ChatClient(engine.ensure(settings)) as client:
            long = client.stream(ASK, max_tokens=1500)
            await anext(long)
            await long.aclose()
            began = time.monotonic()
            await client.complete(ASK, max_tokens=1)
            return time.monotonic() - began

    # 1500 tokens take this model longer than ten seconds anywhere.
    assert asyncio.run(leave_then_ask()) < 8


def test_an_idle_engine_ends_itself(settings) -> None:
    engine.ensure(replace(settings, engine_idle_s=1))
    process = psutil.Process(record().pid)
    process.wait(timeout=20)
    assert not home_.engine_file().exists()


def test_another_context_means_another_engine(settings) -> None:
    engine.ensure(settings)
    before = record().pid
    engine.ensure(replace(settings, context_tokens=1024))
    assert record().pid != before
    assert not psutil.pid_exists(before)


def test_a_stale_record_does_not_mislead(settings) -> None:
    stale = Record(os.getpid(), 9, "key", "smollm2-135m", "gone.gguf", 4096)
    home_.engine_file().write_bytes(msgspec.json.encode(stale))
    assert engine.ensure(settings).model == "smollm2-135m"
    assert psutil.pid_exists(os.getpid())


@pytest.mark.parametrize(("lives", "found"), [(True, "slow"), (False, "new")])
def test_a_slow_engine_is_not_taken_for_a_dead_one(home, monkeypatch, lives, found) -> None:
    model = home / "any.gguf"
    model.touch()
    waiting = [sys.executable, "-c", "open(0).read()"]
    with subprocess.Popen(waiting, stdin=subprocess.PIPE) as process:
        if not lives:
            process.communicate()
        slow = Record(process.pid, 9, "slow", str(model), str(model), 4096)
        home_.engine_file().write_bytes(msgspec.json.encode(slow))
        answers = iter([httpx.ReadTimeout("busy"), httpx.ReadTimeout("busy"), httpx.Response(200)])
        monkeypatch.setattr(httpx, "get", lambda *_, **__: answered(next(answers)))
        new = replace(slow, key="new")
        monkeypatch.setattr("tutor.engine.process._start", lambda *_: new)
        assert engine.ensure(replace(settings_.load(), model=str(model))).api_key == found


def answered(answer: httpx.Response | Exception) -> httpx.Response:
    if isinstance(answer, Exception):
        raise answer
    return answer


def test_a_damaged_model_is_said_with_the_log(settings, tmp_path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(1000))
    with pytest.raises(engine.EngineError) as error:
        engine.ensure(replace(settings, model=str(broken)))
    assert "engine.log" in error.value.hint


def test_a_missing_model_names_the_command(home) -> None:
    (home / "assets").unlink()
    with pytest.raises(MissingError) as error:
        engine.ensure(settings_.load())
    assert error.value.hint == "Run: tutor model pull smollm2-135m"


def test_any_other_server_is_a_setting(home) -> None:
    other = replace(settings_.load(), base_url="http://127.0.0.1:9/v1/", model="llama3")
    endpoint = engine.ensure(other)
    assert endpoint == engine.Endpoint("http://127.0.0.1:9/v1", "", "llama3", False)
    with pytest.raises(engine.EngineError, match="does not answer"):
        asyncio.run(say(endpoint))


def test_the_probe_decodes_and_survives_a_bad_file(smollm2, tmp_path) -> None:
    assert probe(smollm2).ok
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"nothing")
    result = probe(bad)
    assert not result.ok and result.detail
