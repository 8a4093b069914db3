"""Where lines break: Chinese, English, and text that comes in pieces."""

from __future__ import annotations

import random

import pytest
from rich.cells import cell_len
from textual.content import Content

from tutor.base.linebreak import Flow, divide_line


def test_chinese_lines_break_between_characters_but_not_before_a_stop() -> None:
    text = "学完这一小时，你能默写出 LoRA 的更新公式。"
    lines = Content(text).divide(divide_line(text, 14))
    assert "".join(line.plain for line in lines) == text
    assert all(line.rstrip().cell_length <= 14 for line in lines)
    assert not any(line.plain[0] in "，。" for line in lines)
    # Without a break between characters the first line would end after "出 ".
    assert len(lines) == 4


@pytest.mark.parametrize("width", [1, 2, 3, 7])
def test_no_width_loses_text(width: int) -> None:
    text = "（“参数高效微调”——parameter-efficient）  还有……"
    offsets = divide_line(text, width)
    assert offsets == sorted(set(offsets))
    assert "".join(line.plain for line in Content(text).divide(offsets)) == text


def test_english_lines_break_as_before() -> None:
    from rich._wrap import divide_line as original

    text = "Low-rank adaptation freezes the base and trains two small matrices beside it."
    for width in range(1, 40):
        assert divide_line(text, width) == original(text, width)


TEXT = (
    "lora_alpha scales the update: W + (alpha / r) · B A. [1]\n\n"
    "  - 只训练 A 和 B，其余参数（包括词嵌入）都冻结；这就是“参数高效”。\n"
    "A_word_that_is_much_longer_than_any_line_of_the_terminal_could_hold stands alone.\n"
)


@pytest.mark.parametrize("width", [12, 30, 47, 1000])
def test_a_flow_is_the_same_in_whatever_pieces_the_text_comes(width: int) -> None:
    whole = Flow(width)
    expected = whole.feed(TEXT) + whole.end()
    assert all(cell_len(line.rstrip()) <= width for line in expected.split("\n"))
    assert "".join(expected.split()) == "".join(TEXT.split()), "nothing is lost"
    if width == 1000:
        assert expected == TEXT
    dice = random.Random(0)
    for _ in range(20):
        flow, given, start = Flow(width), "", 0
        while start < len(TEXT):
            size = dice.randint(1, 9)
            given += flow.feed(TEXT[start : start + size])
            assert expected.startswith(given), "what was given out never moves"
            start += size
        assert given + flow.end() == expected


def test_a_flow_breaks_between_words_and_indents_what_follows() -> None:
    flow = Flow(20, indent="    ")
    assert flow.feed("  1  Adam's two moments and more") + flow.end() == (
        "  1  Adam's two\n    moments and more"
    )
