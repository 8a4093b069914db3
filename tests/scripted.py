"""A scripted OpenAI-compatible server, and a knowledge base of a few passages, for the agent's
control flow."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from kb import Passage
from tutor import agent
from tutor.base import settings as settings_


def passage(number: int, text: str, **more) -> Passage:  # type: ignore[no-untyped-def]
    fields = {
        "id": number,
        "doc": f"doc{number}.md",
        "title": f"Document {number}",
        "heading": "",
        "page": None,
        "text": text,
        "lang": "en",
        "source": "test",
        "licence": "MIT",
        "url": "",
        "score": 1.0 / number,
    }
    return Passage(**(fields | more))


class FewPassages:
    """Stands in for a knowledge base: every search returns its passages in order."""

    def __init__(self, *texts: str | Passage) -> None:
        self.passages = [
            t if isinstance(t, Passage) else passage(n, t) for n, t in enumerate(texts, 1)
        ]
        self.more: dict[str, list[Passage]] = {}
        self.queries: list[str] = []

    def search(self, query: str, k: int = 5, **_: object) -> list[Passage]:
        self.queries.append(query)
        return self.more.get(query, self.passages)[:k]

    def read_on(self, passage_id: int, before: int = 1, after: int = 1) -> list[Passage]:
        return [p for p in self.passages if abs(p.id - passage_id) <= max(before, after)]

    def contains(self, term: str) -> bool:
        return any(term.lower() in f"{p.title} {p.text}".lower() for p in self.passages)

    def likeness(self, query: str, texts: Sequence[str]) -> list[float]:
        return [0.0] * len(texts)  # it has no encoder

    def unknown_words(self, text: str) -> list[str]:
        return []  # it has no vocabulary


class Reply:
    """One scripted answer.

    cut: end without [DONE]; status and headers: an HTTP error instead; raw: these bytes as the
    body, whatever they are; stall_s: wait so long before the end.
    """

    def __init__(
        self,
        text: str = "",
        cut: bool = False,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
        kind: str = "text/event-stream",
        stall_s: float = 0.0,
    ) -> None:
        self.text, self.cut, self.status, self.kind = text, cut, status, kind
        self.headers, self.raw, self.stall_s = headers or {}, raw, stall_s


class ScriptedServer:
    """Answers with its prose, and each request for a step with the next of its steps (the last
    one again and again). Use as a context manager.

    first: what the first requests get instead. refuses: types of response_format that it answers
    with status 400. models: what /v1/models lists; None: it lists none.
    """

    def __init__(
        self,
        prose: str | Reply,
        steps: Sequence[str] = (),
        *,
        first: Sequence[Reply] = (),
        refuses: Sequence[str] = (),
        models: Sequence[str] | None = None,
    ) -> None:
        self.prose = prose if isinstance(prose, Reply) else Reply(prose)
        self.steps = [Reply(step) for step in steps]
        self.first = list(first)
        self.refuses = refuses
        self.models = models
        self.requests: list[dict] = []
        self.leaving = threading.Event()

    def _next(self, request: dict) -> Reply:
        self.requests.append(request)
        if self.first:
            return self.first.pop(0)
        if request.get("response_format", {}).get("type") in self.refuses:
            return Reply(status=400)
        if not asks_for_a_step(request):
            return self.prose
        return self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]

    def __enter__(self) -> ScriptedServer:
        script = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                script._answer(self, script._next(json.loads(self.rfile.read(length))))

            def do_GET(self) -> None:
                if script.models is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.end_headers()
                listed = {"data": [{"id": name} for name in script.models]}
                self.wfile.write(json.dumps(listed).encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.leaving.set()
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def _answer(self, handler: http.server.BaseHTTPRequestHandler, reply: Reply) -> None:
        if reply.status != 200:
            handler.send_response(reply.status)
            for name, value in reply.headers.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(reply.raw or b"scripted")
            return
        handler.send_response(200)
        handler.send_header("Content-Type", reply.kind)
        handler.end_headers()
        with contextlib.suppress(ConnectionError):  # the client may leave before the end
            if reply.raw is not None:
                handler.wfile.write(reply.raw)
            for piece in _pieces(reply.text):
                event = {"choices": [{"delta": {"content": piece}}]}
                handler.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
            self.leaving.wait(reply.stall_s)
            if not reply.cut and reply.raw is None:
                handler.wfile.write(b"data: [DONE]\n\n")


ANSWER = '{"action": "answer"}'


def run(
    question: str,
    kb: FewPassages,
    prose: str | Reply,
    *decisions: str,
    server: ScriptedServer | None = None,
    **changes: str,
) -> tuple[list[agent.Event], ScriptedServer]:
    """Return the events of a question and the server that answered it. changes: of settings."""

    async def collect() -> list[agent.Event]:
        settings = replace(settings_.load(), base_url=script.url, **changes)
        return [event async for event in agent.ask(question, kb, settings=settings)]  # type: ignore[arg-type]

    with server or ScriptedServer(prose, decisions or [ANSWER]) as script:
        return asyncio.run(collect()), script


def answer_of(events: list[agent.Event]) -> agent.Answer:
    """Return the answer; what was streamed must be its text."""
    assert isinstance(events[-1], agent.Done)
    shown = "".join(e.text for e in events if isinstance(e, agent.Token)).strip()
    if shown:
        assert shown == events[-1].answer.text
    return events[-1].answer


def asks_for_a_step(request: dict) -> bool:
    """Whether a request asks for a decision: by its schema, or by its words where it has none."""
    task = request["messages"][-1]["content"]
    return "response_format" in request or '{"action": "answer"}' in task


def _pieces(text: str, size: int = 5) -> Iterable[str]:
    return (text[i : i + size] for i in range(0, len(text), size))
