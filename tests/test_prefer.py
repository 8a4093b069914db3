"""Preferences: the record, the page on which they are made, and what is written for trl."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from scripted import Reply, ScriptedServer
from textual.widgets import Input
from tui_driver import running, screen_text, until

from curriculum import ORDER
from curriculum.prompts import all_prompts
from tutor.agent import pairs
from tutor.base import settings
from tutor.base.errors import Exit, MissingError, TutorError
from tutor.cli import cli
from tutor.progress import open_progress
from tutor.progress.preferences import REPEAT_EVERY, Choice, Judgement, Pair, Preferences, Tally
from tutor.tui.app import TutorApp
from tutor.tui.places import PREFER, Place
from tutor.tui.widgets.link_row import LinkRow

LORA = Pair("What is LoRA?", "A low-rank update.", "A radio.", "m", 0.6, 1.0, "en")
ZH = replace(LORA, prompt="什么是 LoRA？", first="低秩更新。", second="电台。", language="zh")


def judged(*choices: Choice, pair: Pair = LORA) -> Preferences:
    """The record after these choices, each on a pair of its own."""
    kept = open_progress()[0].preferences
    for number, choice in enumerate(choices):
        kept.keep(replace(pair, first=f"{pair.first} {number}"), choice, 100.0 + number)
    return kept


# The record


def test_what_is_kept_comes_back(home: Path) -> None:
    open_progress()[0].preferences.keep(ZH, "second", 7.0)
    assert open_progress()[0].preferences.all() == [Judgement(ZH, "second", 7.0)]


def test_a_choice_outlives_a_kill(home: Path) -> None:
    code = (
        "import os, signal\n"
        "from tutor.progress import open_progress\n"
        "from tutor.progress.preferences import Pair\n"
        "kept = open_progress()[0].preferences\n"
        "for n in range(3):\n"
        "    kept.keep(Pair('p', f'{n}', 'b', 'm', 0.6, 1.0, 'en'), 'first')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert [j.pair.first for j in open_progress()[0].preferences.all()] == ["0", "1", "2"]


def test_an_older_record_gets_the_table(home: Path) -> None:
    record, _ = open_progress()
    record.db["preferences"].drop()
    record.db["_migrations"].delete("m004_preferences")
    record.log("lesson", "week8")
    record.close()
    again, _ = open_progress()
    assert again.lessons_read() == {"week8"} and again.preferences.all() == []


def test_the_tally(home: Path) -> None:
    kept = judged("first", "second", "first", "tie", "skip")
    assert kept.tally() == Tally(judgements=5, pairs=3, ties=1, skips=1, first=2)
    assert kept.tally().first_share == pytest.approx(2 / 3)
    kept.keep(replace(LORA, first=f"{LORA.first} 0").swapped(), "second")
    assert kept.tally().repeats == 1, "the same answers the other way round"
    assert Tally().first_share is None


def test_prompts_come_round_before_one_comes_again(home: Path) -> None:
    kept, dice = judged(), random.Random(1)
    seen = []
    for number in range(len(all_prompts())):
        prompt = kept.following("zh", dice)
        while not isinstance(prompt, str):  # a repeat: judge it and go on
            kept.keep(prompt, "tie")
            prompt = kept.following("zh", dice)
        seen.append(prompt)
        kept.keep(replace(ZH, prompt=prompt, first=str(number)), "first")
    assert sorted(seen) == sorted(prompt.zh for prompt in all_prompts())


def test_each_eighth_is_an_earlier_pair_with_its_sides_swapped(home: Path) -> None:
    kept = judged("skip", "first", *["tie"] * (REPEAT_EVERY - 3))
    again = kept.following("en", random.Random(1))
    assert isinstance(again, Pair)
    assert (again.first, again.second) == ("A radio.", "A low-rank update. 1"), "no skipped one"
    assert (again.first_temperature, again.second_temperature) == (1.0, 0.6)
    kept.keep(again, "second")
    assert isinstance(kept.following("en", random.Random(1)), str)
    for number in range(REPEAT_EVERY - 1):
        kept.keep(replace(LORA, prompt=f"p{number}"), "first")
    third = kept.following("en", random.Random(1))
    assert isinstance(third, Pair) and third.second == "A low-rank update. 2", "the next in turn"


def test_the_prompts_are_of_the_eight_weeks() -> None:
    assert {prompt.unit for prompt in all_prompts()} == set(ORDER) - {"foundations", "deployment"}
    texts = [text for prompt in all_prompts() for text in (prompt.en, prompt.zh)]
    assert len(set(texts)) == len(texts) >= 60
    assert all(any("\u4e00" <= c <= "\u9fff" for c in prompt.zh) for prompt in all_prompts())


# Drawing two answers


def drawn(*replies: Reply) -> tuple[list[object], ScriptedServer]:
    async def collect() -> list[object]:
        to = replace(settings.load(), base_url=script.url)
        return [event async for event in pairs.draw("Why?", settings=to, dice=random.Random(3))]

    with ScriptedServer("the same again", first=replies) as script:
        return asyncio.run(collect()), script


def test_two_answers_differ_in_seed_and_temperature(home: Path) -> None:
    events, script = drawn(Reply(" Because. "), Reply("It is so."))
    done = events[-1]
    assert isinstance(done, pairs.Drawn)
    assert (done.pair.first, done.pair.second, done.pair.model) == (
        "Because.", "It is so.", "default",
    )  # fmt: skip
    one, two = script.requests
    assert one["messages"] == [{"role": "user", "content": "Why?"}] == two["messages"]
    assert one["seed"] != two["seed"]
    assert (one["temperature"], two["temperature"]) == (
        done.pair.first_temperature,
        done.pair.second_temperature,
    )
    assert {one["temperature"], two["temperature"]} == set(pairs.TEMPERATURES)


def test_equal_and_empty_answers_are_drawn_again(home: Path) -> None:
    events, script = drawn(Reply("Yes."), Reply(" Yes."), Reply(""), Reply("No."))
    assert isinstance(events[-1], pairs.Drawn) and events[-1].pair.second == "No."
    assert [e for e in events if isinstance(e, pairs.Anew)] == [pairs.Anew(1), pairs.Anew(1)]
    assert len({request["seed"] for request in script.requests}) == 4


def test_a_model_that_cannot_but_say_the_same_is_no_pair(home: Path) -> None:
    with pytest.raises(TutorError, match="the same answer 4 times"):
        drawn()


# The page


@pytest.fixture
def served(home: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """A server for the page; give it the answers in turn."""

    def serve(*texts: str | Reply) -> ScriptedServer:
        replies = [t if isinstance(t, Reply) else Reply(t) for t in texts]
        server = ScriptedServer("and so on", first=replies)
        servers.append(server.__enter__())
        monkeypatch.setenv("TUTOR_BASE_URL", server.url)
        return server

    servers: list[ScriptedServer] = []
    yield serve
    for server in servers:
        server.__exit__()


def kept() -> list[tuple[str, str, str]]:
    found = open_progress()[0].preferences.all()
    return [(j.pair.first, j.pair.second, j.choice) for j in found]


def test_a_round_of_choices_by_keys_and_mouse(served) -> None:  # type: ignore[no-untyped-def]
    served("a1", "a2", "b1", "b2", "c1", "c2", "d1", "d2", "e1", "e2")

    async def run() -> None:
        async with running((80, 24)) as (app, pilot):
            await app.study.go(PREFER)
            for pair, key in (("a", "1"), ("b", "2"), ("c", "t"), ("d", "s")):
                await until(pilot, lambda p=pair: f"{p}2" in screen_text(app))
                await until(pilot, lambda: "Which answer is better?" in screen_text(app))
                assert f"{pair}1" in screen_text(app)
                await pilot.press(key)
            await until(pilot, lambda: "e2" in screen_text(app))
            await until(pilot, lambda: "Which answer is better?" in screen_text(app))
            assert "2 pairs · 1 tie · 1 skipped" in screen_text(app)
            bar = screen_text(app).splitlines()[-1]
            assert "1 First" in bar and "t Tie" in bar and "o Own prompt" in bar
            second = next(row for row in app.study.page.query(LinkRow) if row.target == "second")
            await pilot.click(second)
            await until(pilot, lambda: "3 pairs" in screen_text(app))

    asyncio.run(run())
    assert kept() == [
        ("a1", "a2", "first"), ("b1", "b2", "second"), ("c1", "c2", "tie"), ("d1", "d2", "skip"),
        ("e1", "e2", "second"),
    ]  # fmt: skip


def test_nothing_is_chosen_before_both_answers_are_there(served) -> None:  # type: ignore[no-untyped-def]
    served("alpha", Reply("beta", stall_s=30), "gamma", "delta")

    async def run() -> None:
        async with running() as (app, pilot):
            await app.study.go(PREFER)
            await until(pilot, lambda: "the second answer is being written" in screen_text(app))
            await until(pilot, lambda: "alpha" in screen_text(app))
            await pilot.press("1", "2", "t")
            assert app.study.page.busy
            await pilot.press("escape")  # stops; it does not leave
            await until(pilot, lambda: "Stopped." in screen_text(app))
            await pilot.press("1")
            asked = app.study.page._prompt
            await pilot.press("space")
            await until(pilot, lambda: "delta" in screen_text(app))
            assert app.study.page._prompt == asked, "the same prompt again"

    asyncio.run(run())
    assert kept() == []


def test_an_own_prompt(served) -> None:  # type: ignore[no-untyped-def]
    server = served("alpha", "beta", "gamma", "delta")

    async def run() -> None:
        async with running((80, 24)) as (app, pilot):
            await app.study.go(PREFER)
            await until(pilot, lambda: "beta" in screen_text(app))
            await pilot.press("o")
            await until(pilot, lambda: isinstance(app.focused, Input))
            bar = screen_text(app).splitlines()[-1]
            assert "Enter Send" in bar and "First" not in bar
            await pilot.press(*"which is 1st?", "enter")
            await until(pilot, lambda: "delta" in screen_text(app))
            assert not isinstance(app.focused, Input)
            await until(pilot, lambda: "Which answer is better?" in screen_text(app))
            await pilot.press("o", "escape")
            await until(pilot, lambda: not app.study.page.query_one(Input).display)
            await pilot.press("2")
            await until(pilot, lambda: "1 pair" in screen_text(app))

    asyncio.run(run())
    assert server.requests[2]["messages"][0]["content"] == "which is 1st?"
    assert [j.pair.prompt for j in open_progress()[0].preferences.all()] == ["which is 1st?"]


def test_an_error_of_the_engine_is_said_with_what_to_do(served) -> None:  # type: ignore[no-untyped-def]
    served(Reply(status=401), "alpha", "beta")

    async def run() -> None:
        async with running((80, 24)) as (app, pilot):
            await app.study.go(PREFER)
            await until(pilot, lambda: "answered 401" in screen_text(app))
            assert "tutor doctor" in screen_text(app) and "Space: this prompt" in screen_text(app)
            await pilot.press("space")
            await until(pilot, lambda: "beta" in screen_text(app))
            await app.study.go(Place("unit", "week8"))
            row = next(r for r in app.study.page.query(LinkRow) if r.target == PREFER)
            row.action_open()
            await until(pilot, lambda: "beta" in screen_text(app))  # the pair has waited

    asyncio.run(run())


def test_a_missing_model_is_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUTOR_MODEL", "no-such-model")

    async def run() -> None:
        async with running() as (app, pilot):
            await app.study.go(PREFER)
            await until(pilot, lambda: "✗" in screen_text(app))
            assert "no-such-model" in screen_text(app)

    asyncio.run(run())


def test_a_choice_that_cannot_be_kept_is_not_counted(
    served,  # type: ignore[no-untyped-def]
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import sqlite3

    served("alpha", "beta", "gamma", "delta")

    def locked(*_: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    async def run() -> None:
        async with running() as (app, pilot):
            await app.study.go(PREFER)
            await until(pilot, lambda: "Which answer is better?" in screen_text(app))
            with monkeypatch.context() as broken:
                broken.setattr(Preferences, "keep", locked)
                await pilot.press("1")
                await until(pilot, lambda: any("locked" in n.message for n in app._notifications))
                assert "0 pairs" in screen_text(app) and "beta" in screen_text(app)
            await pilot.press("1")
            await until(pilot, lambda: "1 pair " in screen_text(app))

    asyncio.run(run())


def test_a_repeat_needs_no_engine(served) -> None:  # type: ignore[no-untyped-def]
    server = served("alpha", "beta")
    judged(*["first"] * (REPEAT_EVERY - 1))

    async def run() -> None:
        async with running() as (app, pilot):
            await app.study.go(PREFER)
            await until(pilot, lambda: "A low-rank update. 0" in screen_text(app))
            assert not server.requests
            await pilot.press("2")
            await until(pilot, lambda: "beta" in screen_text(app))

    asyncio.run(run())
    assert open_progress()[0].preferences.tally().repeats == 1


def test_the_command_opens_the_page(served) -> None:  # type: ignore[no-untyped-def]
    served("alpha", "beta")

    async def run() -> None:
        settings.load()
        app = TutorApp(PREFER)
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, lambda: "beta" in screen_text(app))
            await until(pilot, lambda: "Which answer is better?" in screen_text(app))
            await pilot.press("1")
            await until(pilot, lambda: "1 pair " in screen_text(app))

    asyncio.run(run())


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (160, 48)])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_it_fits_the_terminal(
    size: tuple[int, int],
    lang: str,
    served,  # type: ignore[no-untyped-def]
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TUTOR_LANGUAGE", lang)
    served("一个回答。" * 40, "another answer " * 20, "gamma", "delta")

    async def run() -> None:
        async with running(size) as (app, pilot):
            await app.study.go(PREFER)
            asks = "Which answer is better?" if lang == "en" else "哪个回答更好？"
            await until(pilot, lambda: app.study.page._stage == "choosing")
            await pilot.pause(0.2)
            first, second = app.study.page.query(LinkRow)
            assert first.region.right <= size[0] and second.region.right <= size[0]
            assert (first.region.y == second.region.y) == (size[0] >= 100), "side by side"
            app.study.page.query_one("#prefer-scroll").scroll_end(animate=False)
            await until(pilot, lambda: asks in screen_text(app))
            await pilot.press("o")
            await until(pilot, lambda: isinstance(app.focused, Input))
            assert app.focused is not None and app.focused.region.bottom <= size[1] - 1
            await pilot.press("escape")

    asyncio.run(run())


# What is written


def run_cli(*arguments: str):  # type: ignore[no-untyped-def]
    return CliRunner().invoke(cli, ["prefer", *arguments], standalone_mode=False)


def test_counts(home: Path) -> None:
    assert json.loads(run_cli("--json").stdout) == {
        "judgements": 0, "pairs": 0, "ties": 0, "skips": 0, "first": 0, "repeats": 0,
        "first_share": None,
    }  # fmt: skip
    judged("first", "second", "second", "second", "tie", "skip")
    assert json.loads(run_cli("--json").stdout)["first_share"] == 0.25
    plain = run_cli()
    assert plain.stdout == "4 pairs, 1 tie, 1 skipped; the first answer chosen in 25%\n"
    assert "in a terminal: tutor prefer" in plain.stderr


def test_the_raw_file_holds_every_judgement(home: Path, tmp_path: Path) -> None:
    judged("first", "tie", "skip", pair=ZH)
    file = tmp_path / "raw.jsonl"
    assert run_cli("--raw", str(file)).return_value == Exit.OK
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert [line["choice"] for line in lines] == ["first", "tie", "skip"]
    assert lines[0] == {
        "at": 100.0, "choice": "first", "prompt": "什么是 LoRA？", "first": "低秩更新。 0",
        "second": "电台。", "model": "m", "first_temperature": 0.6, "second_temperature": 1.0,
        "language": "zh",
    }  # fmt: skip


def test_a_line_is_a_line_for_everybody(home: Path, tmp_path: Path) -> None:
    open_progress()[0].preferences.keep(replace(LORA, first="a\u2028b\u2029c\nd"), "first")
    file = tmp_path / "raw.jsonl"
    run_cli("--raw", str(file))
    (line,) = file.read_text("utf-8").splitlines()
    assert json.loads(line)["first"] == "a\u2028b\u2029c\nd"


def test_week8_trains_on_the_export(home: Path, tmp_path: Path) -> None:
    from exercises.week8 import preference_data

    judged("second", pair=ZH)
    file = tmp_path / "pairs.jsonl"
    run_cli("--export", str(file))
    assert preference_data.read_jsonl(file) == [
        {"prompt": "什么是 LoRA？", "chosen": "电台。", "rejected": "低秩更新。 0"}
    ]
    two = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    for bad in ({"prompt": "p", "chosen": "c"}, {"prompt": two, "chosen": "c", "rejected": "d"}):
        file.write_text(json.dumps(bad))
        with pytest.raises(TutorError, match=r"pairs\.jsonl:1"):
            preference_data.read_jsonl(file)


def test_an_export_is_whole_or_not_there(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    assert isinstance(run_cli("--export", str(file)).exception, MissingError)
    judged("tie", "skip")
    assert isinstance(run_cli("--export", str(file)).exception, MissingError), "nothing decided"
    assert not list(tmp_path.glob("pairs*"))
    judged("second")
    assert isinstance(run_cli("--export", str(tmp_path / "no" / "p.jsonl")).exception, MissingError)
    run_cli("--export", str(file))
    assert len(file.read_text("utf-8").splitlines()) == 1
    assert list(tmp_path.glob("pairs*")) == [file]


def test_trl_takes_the_export(home: Path, tmp_path: Path) -> None:
    from datasets import load_dataset
    from trl.data_utils import is_conversational, maybe_extract_prompt

    judged("first", "tie", "second", "skip")
    judged("second", pair=ZH)
    file = tmp_path / "pairs.jsonl"
    run_cli("--export", str(file))
    rows = load_dataset("json", data_files=str(file), split="train", cache_dir=str(tmp_path / "c"))
    assert rows.num_rows == 3 and set(rows.column_names) == {"prompt", "chosen", "rejected"}
    assert is_conversational(rows[0]) and maybe_extract_prompt(rows[0]) == rows[0]
    assert rows[0]["chosen"] == [{"role": "assistant", "content": "A low-rank update. 0"}]
    assert rows[1]["chosen"] == [{"role": "assistant", "content": "A radio."}]
    assert rows[2] == {
        "prompt": [{"role": "user", "content": "什么是 LoRA？"}],
        "chosen": [{"role": "assistant", "content": "电台。"}],
        "rejected": [{"role": "assistant", "content": "低秩更新。 0"}],
    }


def test_counting_imports_nothing_heavy(home: Path) -> None:
    code = (
        "import sys\nfrom tutor.cli import cli\n"
        "cli(['prefer', '--json'], standalone_mode=False)\n"
        "print(sorted({'textual', 'torch', 'httpx', 'numpy', 'llama_cpp'} & sys.modules.keys()))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"
