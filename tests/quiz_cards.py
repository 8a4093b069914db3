"""A small quiz for tests: six cards in two units, one of each kind in week1."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import curriculum
from curriculum import quiz

WEEK1 = """
[[cards]]
id = "pick"
section = 2
question = { en = "Which one is green?", zh = "哪个是绿的？" }
options = [ { en = "grass", zh = "草" }, { en = "snow", zh = "雪" }, { en = "coal", zh = "煤" } ]
right = 0
why = { en = "Grass has chlorophyll.", zh = "草里有叶绿素。" }

[[cards]]
id = "say"
section = 0
question = { en = "Why is the sky blue?", zh = "天为什么是蓝的？" }
answer = { en = "Short waves scatter most.", zh = "短波散射最强。" }

[[cards]]
id = "count"
section = 1
question = { en = "How many bytes are 18 KiB?", zh = "18 KiB 是多少字节？" }
number = 18432
why = { en = "18 times 1024.", zh = "18 乘 1024。" }
"""


def choice(name: str) -> str:
    return f"""
[[cards]]
id = "{name}"
section = 0
question = {{ en = "Question {name}?", zh = "问题 {name}？" }}
options = [ {{ en = "yes", zh = "是" }}, {{ en = "no", zh = "否" }}, {{ en = "both", zh = "都对" }} ]
right = 1
why = {{ en = "Because no.", zh = "因为否。" }}
"""


def put_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the curriculum this quiz in place of its own, in a folder that a test may change."""
    root = tmp_path / "units"
    for unit in curriculum.ORDER:
        (root / unit).mkdir(parents=True)
        for name in ("lesson.en.md", "lesson.zh.md"):
            (root / unit / name).write_bytes((curriculum.ROOT / unit / name).read_bytes())
    (root / "week1" / "quiz.toml").write_text(WEEK1, "utf-8")
    (root / "week2" / "quiz.toml").write_text("".join(map(choice, "abc")), "utf-8")
    curriculum.units()  # read before the folder changes: their texts are not under test
    monkeypatch.setattr(curriculum, "ROOT", root)
    quiz.cards.cache_clear()
    yield root
    quiz.cards.cache_clear()
