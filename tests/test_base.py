"""Settings, languages, the home folder and the record: what a learner relies on."""

from __future__ import annotations

import errno
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from filelock import FileLock

from exercises.report import Report, Result
from tutor.base import home as home_
from tutor.base import i18n, settings
from tutor.base.errors import Exit, MissingError, TutorError
from tutor.base.trouble import as_tutor_error
from tutor.progress import open_progress


def report(passed: bool = True, exercise: str = "week5/lora") -> Report:
    results = (
        Result("a", "A", 2, "passed", figures={"loss": 1.5}),
        Result("b", "B", 1, "passed" if passed else "failed", "it does not"),
    )
    return Report(exercise, "finished", results, seconds=0.5)


def test_settings_come_from_file_and_environment(home, monkeypatch) -> None:
    settings.update(language="zh", engine_idle_s=60)
    monkeypatch.delenv("TUTOR_LANGUAGE")
    assert settings.load().language == "zh"
    monkeypatch.setenv("TUTOR_ENGINE_IDLE_S", "5")
    assert settings.load().engine_idle_s == 5


def test_update_keeps_the_learners_comments(home) -> None:
    home_.settings_file().write_text('# mine\nlanguage = "en"  # for now\n')
    settings.update(week=5)
    assert home_.settings_file().read_text().startswith('# mine\nlanguage = "en"  # for now\n')


@pytest.mark.parametrize(
    ("text", "said"),
    [("languag = 'en'", "languag"), ("language = 'fr'", "language"), ("week = [", "TOML")],
)
def test_bad_settings_are_named(home, monkeypatch, text, said) -> None:
    monkeypatch.delenv("TUTOR_LANGUAGE")
    home_.settings_file().write_text(text)
    with pytest.raises(TutorError) as error:
        settings.load()
    assert said in error.value.message
    assert error.value.code is Exit.USAGE


@pytest.mark.parametrize(
    ("name", "value", "bound"),
    [
        ("week", "42", "<= 9"),
        ("engine_idle_s", "0", ">= 5"),
        ("gpus", "0", ">= 1"),
        ("context_tokens", "64", ">= 1024"),
    ],
)
def test_numbers_have_bounds_wherever_they_are_set(home, monkeypatch, name, value, bound) -> None:
    home_.settings_file().write_text(f"{name} = {value}")
    with pytest.raises(TutorError) as in_file:
        settings.load()
    assert name in in_file.value.message and bound in in_file.value.message
    assert str(home_.settings_file()) in in_file.value.hint
    monkeypatch.setenv(f"TUTOR_{name.upper()}", value)
    monkeypatch.setenv("TUTOR_LANGUAGE", "zh")
    with pytest.raises(TutorError) as in_environment:
        settings.load()
    assert in_environment.value.message.startswith("设置有误")
    assert f"TUTOR_{name.upper()}" in in_environment.value.hint


def test_language_of_a_question() -> None:
    assert i18n.detect("DPO 和 RLHF 有什么区别？") == "zh"
    assert i18n.detect("what is 微调 called in English, and why is that so important?") == "en"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_home_without_write_permission(tmp_path, monkeypatch) -> None:
    tmp_path.chmod(0o500)
    monkeypatch.setenv("TUTOR_HOME", str(tmp_path / "no"))
    with pytest.raises(MissingError):
        home_.home()


def test_home_where_a_file_stands(tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TUTOR_HOME", str(tmp_path / "file"))
    with pytest.raises(MissingError) as error:
        home_.home()
    assert "TUTOR_HOME" in error.value.hint


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk is full"),
        (OSError(errno.EFBIG, "File too large", "/a/file"), "/a/file was not written"),
        (OSError(errno.EROFS, "Read-only file system", "/a/file"), "'/a/file'"),
    ],
)
def test_a_disks_trouble_is_no_defect(home, error, said) -> None:
    shown = as_tutor_error(error)
    assert said in shown.message and shown.hint
    assert shown.code is Exit.MISSING


def test_a_databases_trouble_is_no_defect(home) -> None:
    first, second = (sqlite3.connect(home / "x.db", timeout=0) for _ in range(2))
    first.execute("BEGIN EXCLUSIVE")
    with pytest.raises(sqlite3.OperationalError) as locked:
        second.execute("CREATE TABLE t (x)")
    assert as_tutor_error(locked.value).code is Exit.TIMED_OUT
    with pytest.raises(sqlite3.OperationalError) as no_file:
        sqlite3.connect(home)
    assert as_tutor_error(no_file.value).code is Exit.MISSING
    with pytest.raises(sqlite3.OperationalError) as no_table:
        first.execute("SELECT * FROM no_such_table")
    assert as_tutor_error(no_table.value).code is Exit.DEFECT


def test_a_defect_is_logged_where_that_can_be(home) -> None:
    shown = as_tutor_error(ZeroDivisionError("oops"))
    log = home / "logs" / "tutor.log"
    assert shown.code is Exit.DEFECT and str(log) in shown.hint
    assert "ZeroDivisionError: oops" in log.read_text("utf-8")
    log.unlink()
    log.mkdir()
    assert "oops" in as_tutor_error(ZeroDivisionError("oops")).message


def test_checks_become_evidence(home) -> None:
    progress, _ = open_progress()
    progress.record_check(report(passed=False))
    progress.record_check(report())
    progress.log("hint", "week5/lora", step=1)
    standing = progress.standing("week5/lora")
    assert (standing.best_points, standing.max_points, standing.passed) == (3, 3, True)
    assert (standing.checks, standing.hints) == (2, 1)
    evidence = list(progress.db.table("evidence").rows_where("criterion = 'a'"))
    assert [row["figures"] for row in evidence] == ['{"loss": 1.5}'] * 2


def test_what_was_passed_stays_passed(home) -> None:
    progress, _ = open_progress()
    progress.record_check(report())
    progress.record_check(report(passed=False))
    assert progress.standing("week5/lora").passed
    last = progress.last_report("week5/lora")
    assert last and last["results"][1]["outcome"] == "failed"


@pytest.mark.parametrize("damage", ["garbage", "torn"])
def test_a_corrupt_record_is_kept_and_a_new_one_started(home, damage) -> None:
    progress, _ = open_progress()
    for n in range(300):
        progress.record_check(report(exercise=f"week5/e{n}"))
    progress.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    progress.close()
    path = home_.progress_file()
    whole = path.read_bytes()
    torn = whole[:8192] + os.urandom(len(whole) - 8192)
    path.write_bytes(b"not a database" * 99 if damage == "garbage" else torn)
    fresh, kept = open_progress()
    assert kept and kept.exists() and kept.read_bytes() == path_bytes(damage, torn)
    assert fresh.recent() == []
    fresh.record_check(report())
    assert fresh.standing("week5/lora").passed


def test_a_corrupt_record_is_kept_with_its_newest_commits(home) -> None:
    path = home_.progress_file()
    progress, _ = open_progress()
    progress.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    progress.log("lesson", "the newest commit")
    wal = path.with_name("progress.db-wal").read_bytes()
    progress.close()
    path.write_bytes(b"not a database" * 99)
    path.with_name("progress.db-wal").write_bytes(wal)
    fresh, kept = open_progress()
    assert kept
    held = b"".join(file.read_bytes() for file in home.glob(f"{kept.name}*"))
    assert b"the newest commit" in held
    assert fresh.lessons_read() == set()


def test_a_corrupt_record_is_moved_aside_once(home) -> None:
    path = home_.progress_file()
    path.write_bytes(b"not a database" * 99)
    with ThreadPoolExecutor(1) as pool:
        with FileLock(path.with_suffix(".lock")):  # as another process that is at it
            second = pool.submit(open_progress)
            wait([second], timeout=0.5)
            path.unlink()
        assert second.result()[1] is None


def path_bytes(damage: str, torn: bytes) -> bytes:
    return b"not a database" * 99 if damage == "garbage" else torn


def test_migrations_are_applied_once(home) -> None:
    open_progress()[0].close()
    progress, _ = open_progress()
    assert [row["name"] for row in progress.db.table("_migrations").rows] == [
        "m001_evidence_and_log",
        "m002_sessions",
        "m003_quiz",
        "m004_preferences",
    ]
    with pytest.raises(sqlite3.IntegrityError):
        progress.db.table("_migrations").insert({"name": "m001_evidence_and_log", "applied_at": 0})
