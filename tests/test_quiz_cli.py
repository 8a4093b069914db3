"""`tutor quiz` in a terminal and without one, on a clock of the test's own."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from curriculum import quiz as deck_
from curriculum.quiz import Choice
from tutor.base import settings
from tutor.base.errors import Exit
from tutor.cli import quiz as cli
from tutor.progress import open_progress
from tutor.progress.reviews import Rating

NOON = 1_772_450_000.0
DAY = 86_400.0


@pytest.fixture(autouse=True)
def _now(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.load()
    at(NOON, monkeypatch)


def at(when: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "clock", lambda: when)


def sit(monkeypatch: pytest.MonkeyPatch, typed: list[str], *arguments: str) -> Result:
    """Run it as in a terminal, with these lines typed."""
    monkeypatch.setattr(cli, "_interactive", lambda: True)
    lines = "".join(f"{line}\n" for line in typed)
    return CliRunner().invoke(cli.quiz, [*arguments], input=lines, standalone_mode=False)


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(cli.quiz, [*arguments], standalone_mode=False)
    assert result.exception is None and result.return_value == Exit.OK, result.output
    return result


def place(card_id: str, right: bool = True, review: int = 0) -> str:
    """The position at which a card's right option, or a wrong one, stands."""
    card = next(card for card in deck_.all_cards() if card.id == card_id)
    assert isinstance(card, Choice)
    wrong = next(index for index in range(3) if index != card.right)
    return str(card.order(review).index(card.right if right else wrong) + 1)


def log() -> list[tuple[str, int, str]]:
    rows = open_progress()[0].db.query("SELECT card, rating, answer FROM reviews ORDER BY id")
    return [(row["card"], row["rating"], row["answer"]) for row in rows]


def test_each_kind_is_asked_and_kept(deck: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = sit(monkeypatch, [place("pick"), "it scatters", "4", "18,432"], "week1")
    assert result.return_value == Exit.OK, result.output
    assert log() == [
        ("week1/pick", 3, "grass"),
        ("week1/say", 4, "it scatters"),
        ("week1/count", 3, "18,432"),
    ]
    assert "✓ Right. Grass has chlorophyll." in result.output
    assert "Short waves scatter most." in result.output
    assert "✓ Right. 18,432. 18 times 1024." in result.output
    assert "3 answers, 3 right" in result.output
    assert "Nothing is due" in run("week1").stderr


def test_a_wrong_answer_is_explained_and_comes_again(
    deck: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = ["9", "grass", place("pick", right=False), "q"]
    result = sit(monkeypatch, typed, "week1", "--count", "1")
    assert result.output.count("Type 1-3, ? or q.") == 2, "no answer is not a wrong answer"
    assert f"✗ {place('pick')}  grass" in result.output
    assert "→ lesson week1, section 2: Many heads for the price of one" in result.output
    assert result.output.count("Which one is green?") == 2, "asked again at the end"
    assert [entry[:2] for entry in log()] == [("week1/pick", 1)]


def test_not_knowing_is_an_answer(deck: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = sit(monkeypatch, ["?", "", "?", "heaps", "?", "q"], "week1")
    assert "That is not a number" in result.output
    assert log() == [("week1/pick", 1, "?"), ("week1/say", 1, ""), ("week1/count", 1, "?")]


def test_what_is_due_comes_before_what_is_new(deck: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record, _ = open_progress()
    record.log("lesson", "week2")
    record.reviews.review(deck_.cards("week1")[1], Rating.GOOD, NOON - 30 * DAY)
    first = sit(monkeypatch, ["q"]).output
    assert "Why is the sky blue?" in first and "4 left" in first
    assert "还剩" not in first and "0 answers" in first
    assert log()[1:] == [], "stopping answers nothing"


def test_the_days_share_of_new_cards(deck: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def listed(*arguments: str) -> list[str]:
        return [row["card"] for row in json.loads(run("--json", *arguments).stdout)]

    assert listed("week2", "--new", "2") == ["week2/a", "week2/b"]
    assert sit(monkeypatch, [place("a")], "week2", "--new", "1").return_value == Exit.OK
    assert listed("week2", "--new", "1") == [] and listed("week2", "--new", "2") == ["week2/b"]
    with monkeypatch.context() as patch:
        patch.setattr(cli, "_interactive", lambda: True)
        said = run("week1", "--new", "1").stderr
        assert "share of new cards is used up; for more: tutor quiz week1 --new 11" in said
        assert (
            "is due in" not in said
            and "tutor quiz week2 --new 11" in run("week2", "--new", "1").stderr
        )
    at(NOON + DAY, monkeypatch)
    assert listed("week2", "--new", "1") == ["week2/b"]
    at(NOON + 40 * DAY, monkeypatch)
    assert listed("week2", "--new", "0") == ["week2/a"]
    assert listed() == ["week2/a"], "units not begun give no new cards"


def test_without_a_terminal_the_cards_are_listed(deck: Path) -> None:
    assert "or name one: tutor quiz week1" in run().stderr
    result = run("week1", "--count", "2")
    assert (
        result.stdout
        == "new  week1/pick  Which one is green?\nnew  week1/say  Why is the sky blue?\n"
    )
    assert result.stderr.startswith("0 due, 2 new.")
    rows = json.loads(run("week1", "--json").stdout)
    assert [row["kind"] for row in rows] == ["choice", "recall", "number"]
    assert sorted(option["en"] for option in rows[0]["options"]) == ["coal", "grass", "snow"]
    assert "chlorophyll" not in str(rows) and "right" not in rows[0] and log() == []


def test_counts(deck: Path) -> None:
    open_progress()[0].reviews.review(deck_.cards("week1")[0], Rating.AGAIN, NOON - DAY)
    total = {"cards": 6, "due": 1, "known": 0, "new": 5}
    week1 = {"cards": 3, "due": 1, "known": 0, "new": 2}
    week2 = {"cards": 3, "due": 0, "known": 0, "new": 3}
    found = json.loads(run("--due", "--json").stdout)
    assert found == total | {"units": {"week1": week1, "week2": week2}}
    assert json.loads(run("week1", "--due", "--json").stdout) == week1 | {"units": {"week1": week1}}
    assert "1 due, 0 known, 5 new of 6 cards" in run("--due").stdout


def test_chinese(deck: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUTOR_LANGUAGE", "zh")
    settings.load()
    wide = chr(0xFF10 + int(place("pick")))
    result = sit(monkeypatch, [wide, "", "３", "？", "q"], "week1")
    assert "✓ 正确。 草里有叶绿素。" in result.output and "哪个是绿的？" in result.output
    assert "课文 week1 第 1 节" in result.output
    assert [rating for _, rating, _ in log()] == [3, 3, 1]


# As a process of its own, with the real cards


def _tutor(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tutor", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120
    )


def test_the_command_line_lists_counts_and_shows_progress() -> None:
    listed = _tutor("quiz", "week5", "--count", "3")
    assert listed.returncode == Exit.OK and len(listed.stdout.splitlines()) == 3
    assert _tutor("quiz", "weak5").returncode == Exit.USAGE
    card = deck_.cards("week5")[0]
    open_progress()[0].reviews.review(card, Rating.AGAIN, time.time() - DAY)
    shown = _tutor("progress")
    assert "week5" in shown.stdout and "1 cards due, 0 of" in shown.stdout
    assert json.loads(_tutor("progress", "--json").stdout)["quiz"]["week5"]["due"] == 1


@pytest.fixture
def terminal() -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """`tutor quiz week5` in a terminal: its end that a person would see, and the process."""
    import pty

    ours, its = pty.openpty()
    command = [sys.executable, "-m", "tutor", "quiz", "week5"]
    process = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, close_fds=True)
    os.close(its)
    yield ours, process
    process.kill()
    process.wait()
    os.close(ours)


def _read_until(terminal: int, wanted: str, seconds: float = 60) -> str:
    seen, end = b"", time.monotonic() + seconds
    while wanted not in seen.decode("utf-8", "replace"):
        ready, _, _ = select.select([terminal], [], [], max(end - time.monotonic(), 0))
        assert ready, f"{wanted!r} did not come: {seen.decode('utf-8', 'replace')}"
        seen += os.read(terminal, 4096)
    return seen.decode("utf-8", "replace")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_in_a_real_terminal_and_killed(terminal: tuple[int, subprocess.Popen[bytes]]) -> None:
    screen, process = terminal
    _read_until(screen, "q stop > ")
    os.write(screen, b"?\n")
    _read_until(screen, "q stop > ")  # the next card: the first one's answer is kept
    process.send_signal(signal.SIGKILL)
    process.wait()
    (entry,) = log()
    assert entry[1] == Rating.AGAIN
