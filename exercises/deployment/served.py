"""A learner's `serve(file, port, key)` in a process of its own, and what it must do."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from exercises.week6.caller import Caller, bearer, data_lines, json_of
from tutor.base.i18n import say

CHILD = """
import importlib.util, os, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("capstone_server", sys.argv[1])
module = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = module
spec.loader.exec_module(module)
module.serve(Path(sys.argv[2]), int(sys.argv[3]), os.environ["GRADERS_KEY"])
"""
KEY = "a-key-of-the-grader"
START_S = 90


@contextmanager
def served(file: Path, submission: Any, folder: Path):
    """The learner's serve in a process of its own, until the block ends: (Caller, process)."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        port = door.getsockname()[1]
    log = folder / "server.log"
    command = [sys.executable, "-P", "-c", CHILD, submission.__file__, str(file), str(port)]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out,
                                   env=os.environ | {"GRADERS_KEY": KEY})  # fmt: skip
    question = {"role": "user", "content": "What does the keeper count?"}
    caller = Caller(f"http://127.0.0.1:{port}", KEY, submission.NAME, question)
    try:
        wait_for(caller, process, log)
        yield caller, process
    finally:
        caller.http.close()
        for each in family(process):
            with suppress(psutil.NoSuchProcess):
                each.kill()
        process.wait()


def family(process: subprocess.Popen) -> list[psutil.Process]:
    """Return the process and all that it has started; nobody where it has ended."""
    try:
        first = psutil.Process(process.pid)
        return [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def wait_for(caller: Caller, process: subprocess.Popen, log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            caller.http.get("/v1/models", headers=bearer(KEY))
            return
        except httpx.TransportError:
            time.sleep(0.1)
    last = (log.read_text("utf-8", "replace").strip().splitlines() or [""])[-1]
    ended = process.poll() is not None
    assert "NotImplementedError" not in last, say(
        f"served cannot be checked yet: {last.partition(': ')[2]}",
        f"还无法检查 served，缺少实现：{last.partition(': ')[2]}",
    )
    pytest.fail(say(
        f"serve {'ended' if ended else f'answers nobody after {START_S} s'}; it says {last[:160]!r}",
        f"serve {'已经结束' if ended else f'过了 {START_S} 秒仍无人应答'}；它的输出是 {last[:160]!r}",
    ))  # fmt: skip


def check_server(caller: Caller, process: subprocess.Popen, name: str, text: str, least: float):
    """The model is listed and answers, whole and streamed, to those who have the key."""
    listed = json_of(caller.http.get("/v1/models", headers=bearer(KEY))).get("data", [])
    names = [model.get("id") for model in listed]
    assert names == [name], say(
        f"/v1/models lists {names}, not [{name!r}]", f"/v1/models 列出的是 {names}，应为 [{name!r}]"
    )
    refused = caller.post(bearer("another-key")).status_code
    assert refused == 401, say(
        f"with a wrong key the answer is {refused}, not 401", f"密钥不对时返回 {refused}，应为 401"
    )
    where = {c.laddr.ip for each in family(process) for c in each.net_connections("tcp")
             if c.status == psutil.CONN_LISTEN}  # fmt: skip
    assert where, say(
        "the server is not serve's own process, nor one that it started: who ends it?",
        "服务器既不是 serve 所在的进程，也不是它启动的子进程：由谁来结束它？",
    )
    assert where <= {"127.0.0.1", "::1"}, say(
        f"it listens on {sorted(where)}: the whole network can reach it",
        f"它监听在 {sorted(where)}：整个网络都能连上",
    )
    whole = caller.good(temperature=0, max_tokens=24)["choices"][0]["message"]["content"]
    alike = SequenceMatcher(None, whole, text).ratio()
    assert alike >= least, say(
        f"asked at temperature 0 it says {whole[:80]!r}; the file that it was given says "
        f"{text[:80]!r}",
        f"温度为 0 时它说 {whole[:80]!r}；交给它的文件说的是 {text[:80]!r}",
    )
    with caller.streaming(temperature=0, max_tokens=24) as reply:
        kind = reply.headers.get("content-type", "")
        lines = list(data_lines(reply))
    chunks = [json.loads(line) for line in lines if line != "[DONE]"]
    parts = [c["choices"][0].get("delta", {}).get("content") for c in chunks if c.get("choices")]
    parts = [part for part in parts if part]
    assert kind.startswith("text/event-stream") and lines[-1:] == ["[DONE]"] and len(parts) > 2, (
        say(
            f"with stream=true it sends {kind!r} with {len(parts)} pieces, the last line "
            f"{lines[-1][:40] if lines else ''!r}",
            f"stream=true 时它返回 {kind!r}，共 {len(parts)} 个片段，最后一行是 "
            f"{lines[-1][:40] if lines else ''!r}",
        )
    )
    assert SequenceMatcher(None, "".join(parts), text).ratio() >= least, say(
        f"streamed it says {''.join(parts)[:80]!r}, and as a whole {whole[:80]!r}",
        f"流式时它说 {''.join(parts)[:80]!r}，一次给全时说 {whole[:80]!r}",
    )
