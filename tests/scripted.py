"""A scripted OpenAI-compatible server, and a knowledge base of a few passages, for the agent's
control flow."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterable, Sequence

from kb import Passage


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


class Reply:
    """One scripted answer. cut: end without [DONE]; status: an HTTP error instead."""

    def __init__(self, text: str = "", cut: bool = False, status: int = 200) -> None:
        self.text, self.cut, self.status = text, cut, status


class ScriptedServer:
    """Answers with its prose, and each request for a step with the next of its steps (the last
    one again and again). Use as a context manager."""

    def __init__(self, prose: str | Reply, steps: Sequence[str]) -> None:
        self.prose = prose if isinstance(prose, Reply) else Reply(prose)
        self.steps = [Reply(step) for step in steps]
        self.requests: list[dict] = []

    def _next(self, request: dict) -> Reply:
        self.requests.append(request)
        if "response_format" not in request:
            return self.prose
        return self.steps[min(len(self.requests), len(self.steps)) - 1]

    def __enter__(self) -> ScriptedServer:
        script = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                script._answer(self, script._next(json.loads(self.rfile.read(length))))

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    @staticmethod
    def _answer(handler: http.server.BaseHTTPRequestHandler, reply: Reply) -> None:
        if reply.status != 200:
            handler.send_error(reply.status)
            return
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.end_headers()
        for piece in _pieces(reply.text):
            event = {"choices": [{"delta": {"content": piece}}]}
            handler.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        if not reply.cut:
            handler.wfile.write(b"data: [DONE]\n\n")


def _pieces(text: str, size: int = 5) -> Iterable[str]:
    return (text[i : i + size] for i in range(0, len(text), size))
