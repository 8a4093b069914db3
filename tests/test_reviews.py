"""The quiz in the learner's record, on a clock of the test's own."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from curriculum import quiz
from exercises.report import Report
from tutor.base import i18n
from tutor.base.db import open_db
from tutor.progress import MIGRATIONS, Progress, open_progress
from tutor.progress.reviews import Asked, Counts, Rating, Reviews
from tutor.progress.sitting import Sitting, plain_number, span

NOON = datetime(2026, 3, 2, 12).timestamp()
MINUTE, DAY = 60.0, 86_400.0


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(i18n, "_current", "en")


@pytest.fixture
def reviews(home: Path, deck: Path) -> Reviews:
    return open_progress()[0].reviews


def keys(queue: list[Asked]) -> list[str]:
    return [asked.card.key.removeprefix("week1/") for asked in queue]


def test_a_card_known_comes_back_after_growing_days(reviews: Reviews) -> None:
    card, at, days = quiz.cards("week1")[0], NOON, []
    for _ in range(4):
        due = reviews.review(card, Rating.GOOD, at)
        days.append(round((due - at) / DAY))
        at = due
    assert days[0] >= 2 and days == sorted(days) and days[-1] > 20
    assert reviews.review(card, Rating.AGAIN, at) == pytest.approx(at + 10 * MINUTE)
    after = reviews.review(card, Rating.GOOD, at + 10 * MINUTE)
    assert 1 <= (after - at) / DAY < days[-1], "once forgotten, it comes sooner"


def test_ratings_differ_in_how_long_they_last(reviews: Reviews) -> None:
    cards = quiz.all_cards()[:4]
    due = [reviews.review(card, rating, NOON) for card, rating in zip(cards, Rating, strict=True)]
    assert due == sorted(due) and len(set(due)) == 4


def test_slow_is_not_punished(reviews: Reviews) -> None:
    quick, slow = quiz.cards("week2")[:2]
    assert reviews.review(quick, Rating.of(True), NOON, seconds=1) == reviews.review(
        slow, Rating.of(True), NOON, seconds=900
    )


def test_due_cards_come_first_the_longest_overdue_before_the_others(reviews: Reviews) -> None:
    pick, say, count = quiz.cards("week1")
    reviews.review(say, Rating.AGAIN, NOON - 60 * MINUTE)
    reviews.review(pick, Rating.AGAIN, NOON - 90 * MINUTE)
    queue = reviews.queue("week1", at=NOON)
    assert keys(queue) == ["pick", "say", "count"]
    assert [asked.review for asked in queue] == [1, 1, 0]
    assert queue[0].due == pytest.approx(NOON - 80 * MINUTE) and queue[2].due is None
    reviews.review(pick, Rating.GOOD, NOON)
    assert keys(reviews.queue("week1", at=NOON)) == ["say", "count"]
    assert (
        reviews.next_due([pick, count], NOON) == reviews.queue("week1", at=NOON + 99 * DAY)[1].due
    )


def test_new_cards_have_a_share_a_day(reviews: Reviews) -> None:
    a, b, c = quiz.cards("week2")
    assert len(reviews.new([a, b, c], NOON, a_day=2)) == 2
    reviews.review(a, Rating.GOOD, NOON)
    assert [asked.card for asked in reviews.new([a, b, c], NOON, a_day=2)] == [b]
    reviews.review(b, Rating.AGAIN, NOON)
    reviews.review(b, Rating.GOOD, NOON + 10 * MINUTE)  # the same card again costs no share
    assert reviews.new([a, b, c], NOON + 11 * 60 * MINUTE, a_day=2) == []
    tomorrow = (datetime.fromtimestamp(NOON) + timedelta(days=1)).replace(hour=0, minute=1)
    assert [x.card for x in reviews.new([a, b, c], tomorrow.timestamp(), a_day=2)] == [c]
    assert reviews.new([a, b, c], NOON, a_day=0) == []


def test_new_cards_come_from_units_that_are_begun(home: Path, deck: Path) -> None:
    progress, _ = open_progress()

    def units(week: int = 0) -> set[str]:
        return {asked.card.unit for asked in progress.reviews.queue(week=week, at=NOON)}

    assert units() == set() and units(week=2) == {"week2"}
    assert {x.card.unit for x in progress.reviews.queue("week2", at=NOON)} == {"week2"}
    progress.log("lesson", "week1")
    assert units() == {"week1"}
    progress.record_check(Report("week2/x", "finished", (), 1.0), NOON)
    assert units() == {"week1", "week2"}


def test_every_answer_is_logged_with_what_was_said(reviews: Reviews) -> None:
    card = quiz.cards("week1")[1]
    reviews.review(card, Rating.HARD, NOON, answer="短波", seconds=12.5)
    reviews.review(card, Rating.EASY, NOON + DAY)
    rows = list(reviews.db.query("SELECT card, at, rating, answer, seconds FROM reviews"))
    assert rows == [
        {"card": "week1/say", "at": NOON, "rating": 2, "answer": "短波", "seconds": 12.5},
        {"card": "week1/say", "at": NOON + DAY, "rating": 4, "answer": "", "seconds": None},
    ]


def test_the_log_alone_gives_the_state(reviews: Reviews, tmp_path: Path) -> None:
    card, at = quiz.cards("week1")[0], NOON
    for rating in (Rating.AGAIN, Rating.GOOD, Rating.GOOD, Rating.AGAIN, Rating.GOOD):
        at = reviews.review(card, rating, at) + 3 * MINUTE
    again = Progress(open_db(tmp_path / "again.db", MIGRATIONS)).reviews
    for row in reviews.db.query("SELECT at, rating FROM reviews ORDER BY id"):
        again.review(card, Rating(row["rating"]), row["at"])
    state = "SELECT state, due, reviews FROM cards"
    assert list(again.db.query(state)) == list(reviews.db.query(state))


def test_counts_by_unit(reviews: Reviews) -> None:
    pick, say, _ = quiz.cards("week1")
    reviews.review(pick, Rating.GOOD, NOON)
    reviews.review(say, Rating.AGAIN, NOON)
    assert reviews.counts(NOON) == {
        "week1": Counts(cards=3, due=0, known=1, new=1),
        "week2": Counts(cards=3, due=0, known=0, new=3),
    }
    assert reviews.counts(NOON + 11 * MINUTE)["week1"] == Counts(3, due=1, known=1, new=1)
    assert reviews.counts(NOON + 90 * DAY)["week1"] == Counts(3, due=2, known=1, new=1)


def test_a_changed_card_keeps_its_time_and_a_removed_one_does_no_harm(
    reviews: Reviews, deck: Path
) -> None:
    pick, say, _ = quiz.cards("week1")
    due = reviews.review(pick, Rating.GOOD, NOON)
    reviews.review(say, Rating.AGAIN, NOON)
    path = deck / "week1" / "quiz.toml"
    first, second, third = path.read_text("utf-8").split("[[cards]]")[1:]
    path.write_text(
        "[[cards]]" + first.replace("green", "very green") + "[[cards]]" + third, "utf-8"
    )
    quiz.cards.cache_clear()
    queue = reviews.queue("week1", at=due)
    assert keys(queue) == ["pick", "count"] and "very green" in queue[0].card.question.en
    assert reviews.counts(due)["week1"] == Counts(2, due=1, known=1, new=1)
    path.write_text("".join("[[cards]]" + part for part in (first, second, third)), "utf-8")
    quiz.cards.cache_clear()
    assert keys(reviews.queue("week1", at=due)) == ["say", "pick", "count"], "nor is it lost"


def test_a_clock_that_was_set_back_is_survived(reviews: Reviews) -> None:
    card = quiz.cards("week1")[0]
    reviews.review(card, Rating.GOOD, NOON)
    assert reviews.review(card, Rating.GOOD, NOON - 400 * DAY) > NOON - 400 * DAY


def test_nothing_answered_is_lost_when_the_process_is_killed(home: Path) -> None:
    script = """
import os, signal
from curriculum import quiz
from tutor.progress import open_progress
from tutor.progress.reviews import Rating
reviews = open_progress()[0].reviews
for card in quiz.cards("week5")[:3]:
    reviews.review(card, Rating.GOOD, 1_000_000.0)
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", script], timeout=120)
    assert ended.returncode == -9
    reviews = open_progress()[0].reviews
    assert reviews.counts(1_000_000.0)["week5"].known == 3
    assert reviews.db["reviews"].count == 3


def test_a_write_that_fails_leaves_nothing_half_done(
    reviews: Reviews, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = quiz.cards("week1")[0]
    reviews.db.execute(
        "CREATE TRIGGER full BEFORE INSERT ON reviews BEGIN SELECT RAISE(ABORT, 'full'); END"
    )
    with pytest.raises(sqlite3.IntegrityError, match="full"):
        reviews.review(card, Rating.GOOD, NOON)
    assert reviews.db["cards"].count == 0
    reviews.db.execute("DROP TRIGGER full")
    assert reviews.review(card, Rating.GOOD, NOON) > NOON


def test_an_older_record_gains_the_quiz(deck: Path, tmp_path: Path) -> None:
    path = tmp_path / "progress.db"
    old = Progress(open_db(path, MIGRATIONS[:2]))
    old.log("lesson", "week1")
    old.close()
    record, _ = open_progress(path)
    assert keys(record.reviews.queue(at=NOON)) == ["pick", "say", "count"]
    record.reviews.review(quiz.cards("week1")[0], Rating.GOOD, NOON)
    state = json.loads(next(record.db.query("SELECT state FROM cards"))["state"])
    assert state["state"] == 2 and state["stability"] > 1, "FSRS's own JSON"


def test_a_sitting_asks_again_what_was_not_known(deck: Path) -> None:
    sitting = Sitting([Asked(card) for card in quiz.cards("week2")], count=2)
    asked = []
    for rating in (Rating.AGAIN, Rating.GOOD, Rating.AGAIN, Rating.HARD):
        assert sitting.current is not None
        asked.append((sitting.current.card.id, sitting.current.review))
        sitting.take(rating)
    assert asked == [("a", 0), ("b", 0), ("a", 1), ("a", 2)]
    assert sitting.current is None and sitting.left == 0
    assert (sitting.answered, sitting.right) == (4, 2)


def test_spans_and_numbers_are_said_plainly() -> None:
    assert [span(s) for s in (5, 600, 5400, 86_400, 2.4 * 86_400)] == [
        *("1 min", "10 min", "2 h", "1 day", "2 days")
    ]
    assert [plain_number(n) for n in (73728, 0.0025, 4.127, 1.5e8)] == [
        *("73,728", "0.0025", "4.127", "150,000,000")
    ]
