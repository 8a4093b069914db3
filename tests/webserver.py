"""A local web server whose answers a test decides, and a small PDF for it to send."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from curriculum.sources import Source
from kb.download import Limits

QUICK = Limits(
    connect_s=2, read_s=2, total_s=3, size=200_000, attempts=3, first_wait_s=0.01,
    longest_wait_s=0.3, unpacked=100_000, members=20,
)  # fmt: skip


def tiny_pdf(text: str) -> bytes:
    """A PDF of one page with one line."""
    stream = f"BT /F1 12 Tf 40 700 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out = b"%PDF-1.4\n"
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return (
        out
        + b"xref\n0 6\n0000000000 65535 f \n%strailer\n<< /Size 6 /Root 1 0 R >>\n" % table
        + (b"startxref\n%d\n%%%%EOF\n" % len(out))
    )


PDF = tiny_pdf("The axolotl regrows a limb in about two months, bone and nerve and all.")


Answer = Callable[[BaseHTTPRequestHandler], None]


def sends(body: bytes, status: int = 200, **headers: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in ({"Content-Length": str(len(body))} | named).items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    return answer


def versioned(body: bytes, etag: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        if request.headers.get("If-None-Match") == etag:
            sends(b"", 304)(request)
        else:
            sends(body, ETag=etag)(request)

    return answer


def drips(body: bytes, pause_s: float) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        for at in range(len(body)):
            request.wfile.write(body[at : at + 1])
            request.wfile.flush()
            time.sleep(pause_s)

    return answer


@dataclass
class Server:
    """Answers by path: the nth request gets the nth answer, later ones the last."""

    base: str
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def pdf(self, name: str, *answers: Answer) -> Source:
        self.answers[f"/{name}.pdf"] = list(answers)
        url = f"{self.base}/{name}.pdf"
        return Source(
            "papers", "pdf", f"https://example.org/{name}", ("en",), "", url, f"{name}.pdf"
        )

    def archive(self, slug: str, *answers: Answer, commit: str = "") -> Source:
        self.answers[f"/{slug}.zip"] = list(answers)
        return Source(
            slug, "archive", "https://example.org", ("en",), "MIT", f"{self.base}/{slug}.zip",
            repo="someone/docs", commit=commit, take="^docs/",
        )  # fmt: skip

    def count(self, path: str) -> int:
        return sum(asked == path for asked, _ in self.requests)


@contextmanager
def serving() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers = mine.answers[self.path]
            at = mine.count(self.path)
            mine.requests.append((self.path, dict(self.headers)))
            with suppress(OSError):  # the client hung up, as it should
                answers[min(at, len(answers) - 1)](self)

        def log_message(self, *_: object) -> None: ...

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    http.block_on_close = False
    mine = Server(f"http://127.0.0.1:{http.server_port}")
    threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True).start()
    yield mine
    http.shutdown()
    http.server_close()
