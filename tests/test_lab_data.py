"""The encoder, the film reviews and the lessons as learners' scripts get them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from exercises import lab, lesson_text, review_data
from tutor.base import assets
from tutor.base.errors import MissingError
from tutor.base.i18n import language


def reviews_of(count: int) -> list[tuple[str, int]]:
    return [(f"Film number {n} was seen.", n % 2) for n in range(count)]


def test_reviews_are_balanced_and_no_text_is_in_both_parts(home: Path) -> None:
    train, held_out = lab.reviews()
    assert (len(train), len(held_out)) == (4000, 800)
    for part in (train, held_out, train[:400]):
        share = sum(row["label"] for row in part) / len(part)
        assert 0.45 < share < 0.55
    assert not {row["text"] for row in train} & {row["text"] for row in held_out}
    assert set(train[0]) == {"text", "label"}
    assert lab.reviews() == (train, held_out)


def test_the_label_is_the_raters(home: Path) -> None:
    ratings = {}
    file = assets.path("vader-snippets")
    for line in file.read_text("utf-8").splitlines():
        _, rating, text = line.split("\t")
        ratings.setdefault(text.strip(), float(rating))
    for row in lab.reviews()[1]:
        assert abs(ratings[row["text"]]) >= 1
        assert row["label"] == (ratings[row["text"]] > 0)


def test_a_text_stays_in_its_part_whatever_the_order_and_the_copies() -> None:
    rows = reviews_of(6_000)
    split = review_data.split(rows)
    assert review_data.split(rows[::-1]) == split
    copies = [(text.upper(), label) for text, label in rows]
    assert review_data.split(rows + copies) == split


def test_a_text_with_both_labels_is_left_out() -> None:
    rows = reviews_of(100)
    train, held_out = review_data.split([*rows, ("film number 3 WAS seen!", 0)])
    texts = Counter(row["text"] for row in train + held_out)
    assert set(texts) == {text for text, _ in rows} - {rows[3][0]}
    assert set(texts.values()) == {1}


def test_snippets_near_neutral_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "rated.txt"
    file.write_text("1\t0.9\tfair\n2\t1\tgood \n3\t-3.5\tbad\n4\t-0.99\tmeh\n", "utf-8")
    assert list(review_data.snippets(file)) == [("good", 1), ("bad", 0)]


def test_what_is_not_there_names_the_command(home: Path) -> None:
    (home / "assets").unlink(missing_ok=True)
    with pytest.raises(MissingError) as missing:
        lab.reviews()
    assert missing.value.hint == "Run: tutor model pull vader-snippets"
    with pytest.raises(MissingError) as missing:
        lab.encoder_folder()
    assert missing.value.hint == "Run: tutor model pull minilm"


def test_the_profile_decides_which_encoder(
    home: Path, minilm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (Path(lab.encoder_folder()) / "model.safetensors").exists()
    monkeypatch.setenv("TUTOR_PROFILE", "hub")
    monkeypatch.setenv("TUTOR_LANGUAGE", "zh")
    assert lab.encoder_folder() == "google-bert/bert-base-uncased"
    assert language() == "en", "reading the profile changed the language of the run"


@pytest.mark.slow
def test_the_encoder_is_a_bert_in_evaluation_mode(home: Path, minilm: Path) -> None:
    import torch

    model, tokenizer = lab.load_encoder()
    assert (model.config.num_hidden_layers, model.config.hidden_size) == (6, 384)
    assert model.dtype == torch.float32 and not model.training
    with torch.no_grad():
        states = model(**tokenizer(["A film.", "No"], padding=True, return_tensors="pt"))
    assert states.last_hidden_state.shape == (2, 5, 384)


@pytest.mark.slow
def test_a_hub_out_of_reach_says_what_to_do(home: Path) -> None:
    program = (
        "from exercises import lab\n"
        "from tutor.base.errors import MissingError\n"
        "for load in (lab.load_encoder, lab.reviews):\n"
        "    try: load()\n"
        "    except MissingError as error: print(error.hint)\n"
    )
    environment = {"TUTOR_PROFILE": "hub", "HF_HUB_OFFLINE": "1", "HF_HOME": str(home / "hub")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    hint = "Check the network (HF_ENDPOINT), or use what is there: TUTOR_PROFILE=default"
    assert done.stdout.splitlines() == [hint, hint], done.stderr


def test_lessons_are_prose_in_the_order_of_study() -> None:
    english, chinese = lab.lessons("en"), lab.lessons("zh")
    assert len(english.split()) > 15_000
    assert len(chinese) > 40_000
    assert english.startswith("Foundations") and chinese.startswith("基础")
    assert english.index("QLoRA") > english.index("self-attention")
    for mark in ("```", "**", "](", "\n\n", "    "):
        assert mark not in english + chinese
    assert lab.lessons("en") == english


def test_markdown_becomes_one_line_a_paragraph() -> None:
    text = (
        "# 1. A *title*\n\nSome **bold** prose with `code` and [a link](https://example.org)\n"
        "on two lines: 2 * 3 = 6.\n\n| a | b |\n|---|---|\n\n```python\nx = 1\n```\n\n"
        "1. first\n   goes on\n2. second\n\n中文的\n段落。\n"
    )
    assert lesson_text._plain(text) == (
        "1. A title\nSome bold prose with code and a link on two lines: 2 * 3 = 6.\n"
        "first goes on\nsecond\n中文的段落。\n"
    )
