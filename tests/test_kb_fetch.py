"""Fetching documents from a server that misbehaves, and indexing what came."""

from __future__ import annotations

import io
import json
import signal
import stat
import struct
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from click.testing import CliRunner
from webserver import PDF, QUICK, Answer, Server, drips, sends, versioned

import curriculum
from curriculum.sources import Source, sources
from kb import fetch, sync
from kb.download import USER_AGENT, Limits
from kb.store import open_store
from tutor.base.errors import TutorError
from tutor.base.i18n import Bilingual


def zipped(files: dict[str, bytes | str], links: tuple[str, ...] = ()) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        for name in links:
            link = zipfile.ZipInfo(name)
            link.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(link, "/etc/passwd")
    return buffer.getvalue()


ZIP = zipped(
    {
        "docs-1a/docs/rank.md": "# Rank\n\nThe rank of a low-rank adapter bounds its capacity.\n",
        "docs-1a/docs/rank.png": b"\x89PNG",
        "docs-1a/src/code.md": "# Not asked for\n",
        "docs-1a/LICENSE": "MIT License\n",
    }
)


@pytest.fixture(autouse=True)
def bare_home(home: Path) -> Path:
    """Without the encoder: words are enough here, and loading it takes seconds."""
    (home / "assets").unlink(missing_ok=True)
    return home


def one(source: Source, limits: Limits = QUICK) -> fetch.Outcome:
    return fetch.fetch_all([source], limits=limits)[0]


def papers() -> list[str]:
    folder = fetch.sources_dir() / "papers"
    return sorted(path.name for path in folder.glob("*.pdf"))


def left_over() -> list[Path]:
    return list((fetch.sources_dir() / fetch.INCOMING).iterdir())


# What the catalogue says


def test_every_resource_of_the_plan_is_fetched_or_linked_with_a_reason() -> None:
    pages = {source.page for source in sources()}
    slugs = {source.slug for source in sources() if source.kind == "archive"}
    for unit in curriculum.units():
        for resource in unit.resources:
            assert resource.url in pages or resource.source in slugs, resource.url
    for source in sources():
        assert (source.kind == "link") == (source.reason is not None) == (not source.url)
    assert len({source.name for source in sources()}) == len(sources())
    assert {s.name for s in sources() if s.in_week(5) and s.kind == "pdf"} == {
        "papers/2106.09685-lora.pdf",
        "papers/2305.14314-qlora.pdf",
    }


@pytest.mark.needs_shared
def test_the_catalogue_lays_folders_out_as_the_mirror_does(shared: Path) -> None:
    mirrored = {path.name for path in (shared / "corpus").iterdir()}
    fetched = [source for source in sources() if source.kind != "link"]
    assert {source.slug for source in fetched} == mirrored
    files = {path.name for path in (shared / "corpus/papers").glob("*.pdf")}
    assert not files - {source.file for source in fetched}
    for source in fetched:
        if source.kind == "archive":
            (entry,) = json.loads((shared / "corpus" / source.slug / "SOURCE.json").read_text())
            assert (source.repo, source.commit, source.take) == (
                entry["repo"], entry["commit"], entry["rx"],
            )  # fmt: skip


# The good day


def test_what_is_fetched_is_indexed_and_not_again(server: Server) -> None:
    link = Source(
        "video", "link", "https://example.org/v", ("zh",), reason=Bilingual("no text", "")
    )
    wanted = [
        server.pdf("axolotl", versioned(PDF, '"1"')),
        server.archive("docs", versioned(ZIP, '"z"')),
        server.archive("pinned", sends(ZIP), commit="1a"),
        link,
    ]
    seen: list[int] = []
    first = fetch.fetch_all(wanted, limits=QUICK, progress=lambda _, done, __: seen.append(done))
    assert [(o.slug, o.state) for o in first] == [
        ("papers/axolotl.pdf", "fetched"),
        ("docs", "fetched"),
        ("pinned", "fetched"),
        ("video", "link only"),
    ]
    assert first[3].detail == "no text" and seen == [1, 2, 3, 4]
    assert {headers["User-Agent"] for _, headers in server.requests} == {USER_AGENT}
    store = open_store()
    summary = sync.sync_mirror(store, fetch.sources_dir())
    rows = store.db.execute("SELECT path, licence, url FROM documents ORDER BY path").fetchall()
    assert [tuple(row) for row in rows] == [
        ("docs/docs/rank.md", "MIT", "https://github.com/someone/docs/blob//docs/rank.md"),
        ("papers/axolotl.pdf", "", "https://example.org/axolotl"),
        ("pinned/docs/rank.md", "MIT", "https://github.com/someone/docs/blob/1a/docs/rank.md"),
    ]
    assert (summary.added, summary.problems) == (3, [])

    again = fetch.fetch_all(wanted, limits=QUICK)
    assert [o.state for o in again] == ["unchanged", "unchanged", "unchanged", "link only"]
    assert server.count("/axolotl.pdf") == 2 and server.count("/pinned.zip") == 1
    summary = sync.sync_mirror(store, fetch.sources_dir())
    assert (summary.added, summary.updated, summary.unchanged, summary.removed) == (0, 0, 3, 0)


def test_a_new_version_takes_the_place_of_the_old(server: Server) -> None:
    newer = zipped({"docs-2b/docs/new.md": "# New\n\nOther words.\n"})
    source = server.archive("docs", versioned(ZIP, '"1"'), versioned(newer, '"2"'))
    assert one(source).state == "fetched"
    assert one(source).state == "fetched"
    folder = fetch.sources_dir() / "docs"
    assert [path.name for path in folder.rglob("*.md")] == ["new.md"]
    assert left_over() == []


def test_a_file_that_is_gone_is_fetched_again(server: Server) -> None:
    source = server.pdf("axolotl", versioned(PDF, '"1"'))
    assert one(source).state == "fetched"
    (fetch.sources_dir() / "papers/axolotl.pdf").unlink()
    assert one(source).state == "fetched"
    assert papers() == ["axolotl.pdf"]


# Servers that misbehave


def cut_off(request: BaseHTTPRequestHandler) -> None:
    sends(PDF[:300], Content_Length=str(len(PDF)))(request)


def unmeasured_cut_off(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    request.wfile.write(PDF[:300])


def round_and_round(request: BaseHTTPRequestHandler) -> None:
    sends(b"", 302, Location=request.path)(request)


FAILURES: dict[str, tuple[Answer, str, int]] = {
    "drip": (drips(PDF, 0.02), "not done after 0.5 s", 1),
    "cut off": (cut_off, "peer closed connection", 3),
    "cut off, no length": (unmeasured_cut_off, "cut off", 1),
    "length too small": (sends(PDF, Content_Length="200"), "cut off", 1),
    "500": (sends(b"", 500), "HTTP 500", 3),
    "404": (sends(b"", 404), "HTTP 404", 1),
    "too large": (sends(b"%PDF" + bytes(300_000)), "larger than 0.2 MB", 1),
    "endless redirect": (round_and_round, "more than 5 redirects", 6),
    "private": (sends(b"", 302, Location="http://10.0.0.1/x"), "private address 10.0.0.1", 1),
    "metadata": (sends(b"", 307, Location="http://169.254.169.254/"), "private address", 1),
    "mapped": (sends(b"", 302, Location="http://[::ffff:127.0.0.1]/"), "private address", 1),
    "file": (sends(b"", 302, Location="file:///etc/passwd"), "redirects to file://", 1),
    "html": (sends(b"<!DOCTYPE html><html>Sign in</html>"), "a web page came instead", 1),
    "unasked 304": (sends(b"", 304), "HTTP 304", 1),
    "gzip": (sends(PDF, Content_Encoding="gzip"), "compressed", 1),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_bad_answer_fails_by_itself_and_leaves_nothing(server: Server, name: str) -> None:
    answer, expected, asked = FAILURES[name]
    bad = server.pdf("bad", answer)
    limits = replace(QUICK, total_s=0.5) if name == "drip" else QUICK
    outcomes = fetch.fetch_all([bad, server.pdf("good", sends(PDF))], limits=limits)
    assert [outcome.state for outcome in outcomes] == ["failed", "fetched"]
    assert expected in outcomes[0].detail
    assert server.count("/bad.pdf") == asked
    assert papers() == ["good.pdf"] and left_over() == []


def test_a_failed_update_keeps_what_was_there(server: Server) -> None:
    source = server.pdf("axolotl", sends(PDF), sends(b"<html>"))
    assert [one(source).state, one(source).state] == ["fetched", "failed"]
    assert (fetch.sources_dir() / "papers/axolotl.pdf").read_bytes() == PDF


def test_a_busy_server_is_asked_again_when_it_says(server: Server) -> None:
    source = server.pdf("axolotl", sends(b"", 429, Retry_After="1"), sends(b"", 503), sends(PDF))
    start = time.monotonic()
    assert one(source, replace(QUICK, longest_wait_s=5, total_s=30)).state == "fetched"
    assert time.monotonic() - start >= 1.0
    assert server.count("/axolotl.pdf") == 3


def test_no_server_decides_how_long_we_wait(server: Server) -> None:
    source = server.pdf("axolotl", sends(b"", 429, Retry_After="86400"), sends(PDF))
    assert one(source).state == "fetched"  # and not failed: QUICK leaves it 3 s in all


def test_a_redirect_on_the_same_host_is_followed(server: Server) -> None:
    source = server.pdf("axolotl", sends(b"", 301, Location="/moved.pdf"))
    server.pdf("moved", sends(PDF))
    assert one(source).state == "fetched"


def test_without_a_network_only_the_first_wait(server: Server) -> None:
    source = replace(server.pdf("axolotl", sends(PDF)), url="http://127.0.0.1:9/x.pdf")
    slow = replace(QUICK, first_wait_s=0.2)
    start = time.monotonic()
    outcomes = fetch.fetch_all([replace(source, file=f"{n}.pdf") for n in range(400)], limits=slow)
    assert time.monotonic() - start < 20  # 60 s, were each to try for itself
    assert {outcome.state for outcome in outcomes} == {"failed"}
    assert all("cannot be reached" in outcome.detail for outcome in outcomes)


def test_a_proxy_that_cannot_be_used_fails_every_source(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "gopher://127.0.0.1:1")
    outcome = one(server.pdf("axolotl", sends(PDF)))
    assert outcome.state == "failed" and "proxy" in outcome.detail


# Archives that misbehave


def odd(flag: int = 0, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """ZIP with a flag and a compression method set for its first file, in the directory."""
    at = ZIP.index(b"PK\x01\x02")
    return ZIP[: at + 8] + struct.pack("<HH", flag, method) + ZIP[at + 12 :]


ARCHIVES: dict[str, tuple[bytes, str]] = {
    "bomb": (zipped({"d/docs/a.md": bytes(90_000)}), "unpacks to too much"),
    "many": (zipped({f"d/docs/{n}.md": "x" for n in range(30)}), "unpacks to too much"),
    "large": (zipped({f"d/docs/{n}.md": bytes(range(256)) * 100 for n in range(9)}), "too much"),
    "escape": (zipped({"d/docs/a.md": "x", "d/../../../evil.md": "x"}), "out of its folder"),
    "absolute": (zipped({"d/docs/a.md": "x", "/tmp/evil.md": "x"}), "out of its folder"),
    "only a link": (zipped({"d/LICENSE": "MIT"}, ("d/docs/a.md",)), "none of the documents"),
    "truncated": (ZIP[:-40], "damaged archive"),
    "damaged": (
        ZIP.replace(b"docs-1a/docs/rank.md", b"docs-1a/docs/rxnk.md", 1),
        "damaged archive",
    ),
    "encrypted": (odd(flag=1), "oddly packed"),
    "lzma": (odd(method=14), "oddly packed"),
    "name": (odd(flag=0x800).replace(b"rank.md", b"rank.\xff\xfe"), "damaged archive"),
    "html": (b"<html>Not found</html>", "a web page came instead of a zip"),
    "other": (b"hello", "something else came"),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_bad_archive_is_refused_whole(server: Server, bare_home: Path, name: str) -> None:
    body, expected = ARCHIVES[name]
    outcome = one(server.archive("docs", sends(body)))
    assert outcome.state == "failed" and expected in outcome.detail
    assert not (fetch.sources_dir() / "docs").exists() and left_over() == []
    assert not list(bare_home.parent.rglob("evil.md")) and not Path("/tmp/evil.md").exists()
    with pytest.raises(TutorError):  # what lies half unpacked is no source
        sync.sync_mirror(open_store(), fetch.sources_dir())


def test_links_beside_documents_are_skipped(server: Server) -> None:
    body = zipped({"d/docs/a.md": "# A\n"}, ("d/docs/b.md", "d/LICENSE"))
    assert one(server.archive("docs", sends(body))).state == "fetched"
    folder = fetch.sources_dir() / "docs"
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == [
        ".fetch.json", "SOURCE.json", "a.md",
    ]  # fmt: skip


# Interrupted runs

RUN = (
    "import sys; from kb import fetch; from curriculum.sources import Source\n"
    "fetch.fetch_all([Source('papers', 'pdf', 'p', ('en',), '', sys.argv[1], 'axolotl.pdf')])\n"
)


def test_a_run_killed_in_a_download_is_finished_by_the_next(server: Server) -> None:
    source = server.pdf("axolotl", drips(PDF, 0.05), sends(PDF))
    run = subprocess.Popen([sys.executable, "-c", RUN, source.url])
    part = fetch.sources_dir() / fetch.INCOMING / "papers~axolotl.pdf.part"
    for _ in range(400):
        if part.exists():
            break
        time.sleep(0.05)
    with pytest.raises(TutorError, match="Another"):
        one(source)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert part.stat().st_size < len(PDF) and papers() == []
    assert one(source).state == "fetched"
    assert papers() == ["axolotl.pdf"] and left_over() == []


def test_a_run_killed_between_two_folders_loses_neither(server: Server) -> None:
    source = server.archive("docs", versioned(ZIP, '"1"'))
    one(source)
    folder = fetch.sources_dir() / "docs"
    folder.rename(fetch.sources_dir() / fetch.INCOMING / "docs.old")
    assert one(source).state == "unchanged"
    assert (folder / "docs/rank.md").exists() and left_over() == []


# The command


def test_the_command_lists_every_source_and_goes_on(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tutor.cli.kb import sync as command

    listed = (server.pdf("axolotl", sends(PDF)), server.pdf("gone", sends(b"", 404)))
    monkeypatch.setattr("curriculum.sources.sources", lambda: listed)
    monkeypatch.setattr(sync, "build_default", lambda *_: sync.Summary())  # takes half a minute
    offline = CliRunner().invoke(command, ["--offline"])
    assert offline.exit_code == 0 and server.requests == []
    assert "tutor kb sync" in offline.stderr
    result = CliRunner().invoke(command, ["--json"])
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert [entry["state"] for entry in said["sources"]] == ["fetched", "failed"]
    assert said["added"] == 1
    assert "papers/gone.pdf" in result.stderr and "HTTP 404" in result.stderr
    again = CliRunner().invoke(command, ["--offline"])
    assert "1 unchanged" in again.stderr and server.count("/axolotl.pdf") == 1


def test_setting_up_asks_no_server_for_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    from tutor.base import assets
    from tutor.cli.setup import setup

    def refuse(*_: object) -> None:
        raise AssertionError("setup fetched documents")

    monkeypatch.setattr(assets, "catalogue", dict)
    monkeypatch.setattr("tutor.cli.setup._carries_default", lambda: True)
    monkeypatch.setattr(fetch, "fetch_all", refuse)
    monkeypatch.setattr(sync, "build_default", lambda *_: sync.Summary())
    result = CliRunner().invoke(setup, [], catch_exceptions=False)
    assert result.exit_code == 0 and "tutor kb sync" in result.stderr
