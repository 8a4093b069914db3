"""Serve one model over the OpenAI-compatible protocol until told to stop: for `tutor model serve`,
and beside the engine, for the gates, which must not take the learner's model away.

The child, `python -m tutor.engine.serve NAME FILE LORA CONTEXT HOST PORT`, has its key in
TUTOR_ENGINE_KEY, listens on the socket that it says on stdout, and ends when its stdin does: it
never outlives who started it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from tutor.base.i18n import say
from tutor.engine.client import EngineError
from tutor.engine.process import START_TIMEOUT_S, Endpoint, Loaded


@contextlib.contextmanager
def serving(
    model: Loaded,
    *,
    context_tokens: int = 4096,
    host: str = "127.0.0.1",
    port: int = 0,
    key: str = "",
) -> Iterator[Endpoint]:
    """Serve a model while the block runs. port: 0 for a free one. key: empty for a random one.

    Raises EngineError where the model cannot be loaded or the port is taken.
    """
    key = key or secrets.token_urlsafe(24)
    arguments = [model.name, model.file, model.lora, str(context_tokens), host, str(port)]
    environment = {"OMP_WAIT_POLICY": "PASSIVE"} | dict(os.environ) | {"TUTOR_ENGINE_KEY": key}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tutor.engine.serve", *arguments],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline().decode().strip()
            if not line.isdigit():
                process.wait(10)
                log.seek(0)
                raise _not_started(model.name, log.read().decode(errors="replace"))
            url = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{line}"
            _await_health(process, url, key)
            yield Endpoint(f"{url}/v1", key, model.name, True)
        finally:
            process.kill()
            process.communicate()


def _await_health(process: subprocess.Popen[bytes], url: str, key: str) -> None:
    import httpx

    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            headers = {"Authorization": f"Bearer {key}"}
            httpx.get(f"{url}/health", headers=headers, timeout=2, trust_env=False)
            return
        time.sleep(0.05)
    raise _not_started(url, "")


def _not_started(name: str, log: str) -> EngineError:
    last = (log.strip().splitlines() or [""])[-1]
    return EngineError(
        say(f"{name} could not be served. {last}", f"无法提供 {name} 的服务。{last}"),
        say(
            "Try another --port. If the file is broken off, fetch or export it again.",
            "请换一个 --port 再试；如果文件不完整，请重新下载或导出。",
        ),
    )


def main(name: str, file: str, lora: str, context_tokens: str, host: str, port: str) -> None:
    import socket
    import threading

    import uvicorn
    from llama_cpp.server.app import create_app
    from llama_cpp.server.settings import ServerSettings

    from tutor.engine.server import Watch, model_settings

    def end_with_parent() -> None:
        # The descriptor itself: a thread that waits in a buffered reader aborts the shutdown.
        while os.read(0, 1):
            pass
        os._exit(0)

    threading.Thread(target=end_with_parent, daemon=True).start()
    key = os.environ["TUTOR_ENGINE_KEY"]
    listener = socket.create_server((host, int(port)))
    server = ServerSettings(host=host, api_key=key, interrupt_requests=False)
    model = model_settings(name, file, lora, int(context_tokens))
    watch = Watch(create_app(server_settings=server, model_settings=[model]), key)
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(watch, log_level="warning", lifespan="off")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(*sys.argv[1:])
