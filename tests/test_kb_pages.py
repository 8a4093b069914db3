"""Pages of the web that the learner adds, and the offer to make a stale index anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from webserver import PDF, QUICK, Server, sends, versioned

from kb import pages, sync
from kb.search import open_kb
from kb.store import open_store
from tutor.base.errors import MissingError, TutorError
from tutor.cli import cli


@pytest.fixture(autouse=True)
def bare_home(home: Path) -> Path:
    """Without the encoder: words are enough here, and loading it takes seconds."""
    (home / "assets").unlink(missing_ok=True)
    return home


def added(url: str) -> dict:
    result = CliRunner().invoke(cli, ["kb", "add", url, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


PAGE = (
    b"<!doctype html><title>Axolotls</title><h1>Care</h1>"
    b"<p>The axolotl wants cold water of about %d degrees and a dark place to hide in.</p>"
)


def test_a_page_is_added_by_its_address_and_fetched_anew_by_it(server: Server) -> None:
    url = f"{server.base}/axolotl"
    server.answers["/axolotl"] = [versioned(PAGE % 16, '"1"')] * 2 + [versioned(PAGE % 18, '"2"')]
    assert added(url)["added"] == 1
    (found,) = open_kb().search("axolotl water")
    assert (found.source, found.title, found.url) == ("mine", "Axolotls", url)
    assert found.doc.startswith("mine/added/127.0.0.1/axolotl-") and found.doc.endswith(".html")

    assert added(url)["unchanged"] == 1
    assert server.requests[-1][1]["If-None-Match"] == '"1"'
    assert added(url)["updated"] == 1
    assert "18 degrees" in open_kb().search("axolotl water")[0].text


def test_added_pages_outlive_a_rebuild_until_they_are_removed(server: Server, monkeypatch) -> None:
    monkeypatch.setattr(sync, "PACKAGES", ())
    server.answers["/axolotl.pdf"] = [sends(PDF)]
    added(f"{server.base}/axolotl.pdf")
    anew = ["kb", "sync", "--rebuild", "--offline"]
    assert CliRunner().invoke(cli, anew).exit_code == 0
    (document,) = open_store().hashes("mine")
    assert document.endswith(".pdf")
    assert CliRunner().invoke(cli, ["kb", "remove", document]).exit_code == 0
    assert CliRunner().invoke(cli, anew).exit_code == 0
    assert open_store().hashes("mine") == {}


@pytest.mark.parametrize(
    ("name", "answer", "says"),
    [
        ("gone", sends(b"no", 404), "404"),
        ("inside", sends(b"", 302, Location="http://10.0.0.1/x"), "private"),
        ("cut.pdf", sends(PDF[:-20]), "cut off"),
        ("page.pdf", sends(PAGE % 1), "web page"),
        ("large", sends(b"a" * 300_000), "larger than"),
    ],
)
def test_a_page_that_cannot_be_had_changes_nothing(server: Server, name, answer, says) -> None:
    server.answers[f"/{name}"] = [answer]
    with pytest.raises(MissingError, match=says):
        pages.fetch_page(f"{server.base}/{name}", QUICK)
    assert [path.name for path in pages.pages_dir().iterdir() if path.name != ".lock"] == []


def test_a_stale_index_is_offered_to_be_made_anew(home: Path, monkeypatch) -> None:
    monkeypatch.setattr(sync, "PACKAGES", ())
    anew = ["kb", "sync", "--offline"]
    assert CliRunner().invoke(cli, anew).exit_code == 0
    monkeypatch.setattr("kb.chunk.VERSION", "of tomorrow")
    refused = CliRunner().invoke(cli, anew)
    assert isinstance(refused.exception, TutorError) or "--rebuild" in refused.output
    monkeypatch.setattr("tutor.cli.kb._at_a_terminal", lambda: True)
    declined = CliRunner().invoke(cli, anew, input="n\n")
    assert "Re-index now?" in declined.stderr and declined.exit_code != 0
    assert CliRunner().invoke(cli, anew, input="y\n").exit_code == 0
    assert not open_store().stale()
