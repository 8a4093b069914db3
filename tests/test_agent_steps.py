"""The reading of a step, whatever a model wrote: other forms, cut-offs, fuzz, huge texts."""

from __future__ import annotations

import json
import random
import string
import time

import pytest

from tutor.agent import steps
from tutor.agent.steps import OneOf, Text

OFFER: steps.Offer = {
    "answer": {},
    "search": {"query": Text(80), "week": OneOf((5,), optional=True)},
    "read_on": {"passage": OneOf((1, 2, 3))},
    "lesson": {"unit": OneOf(("week5", "week6"))},
    "progress": {},
    "report": {"exercise": OneOf(("week5/lora",))},
    "calculate": {"code": Text(100)},
}
VALID = [
    {"action": "answer"},
    {"action": "search", "query": "low rank {x}"},
    {"action": "search", "query": "秩", "week": 5},
    {"action": "read_on", "passage": 2},
    {"action": "lesson", "unit": "week5"},
    {"action": "progress"},
    {"action": "report", "exercise": "week5/lora"},
    {"action": "calculate", "code": "8*(4096+4096)"},
]


@pytest.mark.parametrize("step", VALID)
def test_a_step_is_read_in_each_form_that_models_write(step) -> None:
    arguments = {key: value for key, value in step.items() if key != "action"}
    expected = steps.Step(step["action"], arguments)
    called = {"name": step["action"], "arguments": arguments}
    for text in (
        json.dumps(step),
        f"Thought: I need a tool.\n```json\n{json.dumps(step, indent=2)}\n```\nDone.",
        f"<tool_call>\n{json.dumps(called)}\n</tool_call>",
        f"{{not it}} {json.dumps(step)} {json.dumps({'action': 'answer'})}",
        json.dumps(step)[:-1],
    ):
        assert steps.parse(text, OFFER) == expected


@pytest.mark.parametrize(
    "step",
    [
        {"action": "delete", "path": "/"},
        {"action": "print_settings"},
        {"action": "search"},
        {"action": "search", "query": "   "},
        {"action": "search", "query": ["a"]},
        {"action": "read_on", "passage": 4},
        {"action": "read_on", "passage": True},
        {"action": "read_on", "passage": 1.0},
        {"action": "read_on", "passage": "²"},
        {"action": "lesson", "unit": "week9"},
        {"action": "report", "exercise": "../../etc/passwd"},
        {"action": ["answer"]},
        {"action": None},
    ],
)
def test_what_is_not_on_offer_is_no_step(step) -> None:
    assert steps.parse(json.dumps(step), OFFER) is None


def test_a_query_that_was_cut_off_is_still_one() -> None:
    text = json.dumps({"action": "search", "query": "low rank " * 20})[:60]
    step = steps.parse(text, OFFER)
    assert step is not None and step.arguments["query"].startswith("low rank")  # type: ignore[union-attr]


def test_a_filter_that_is_not_on_offer_is_left_out() -> None:
    step = steps.parse('{"action": "search", "query": "rank", "week": 3}', OFFER)
    assert step == steps.Step("search", {"query": "rank"})


def check_step(step: steps.Step | None) -> None:
    """A step is nothing but what the offer allows."""
    if step is None:
        return
    assert step.action in OFFER
    for name, value in step.arguments.items():
        argument = OFFER[step.action][name]
        if isinstance(argument, OneOf):
            assert value in argument.values
        else:
            assert isinstance(value, str) and 0 < len(value) <= argument.most


PIECES = ['{"action":', '"search"', '"query"', "{", "}", "[", '"', "null", "\\", "1e999", "\\ud800"]
PIECES += ['"read_on"', '"passage":', '"calculate"', '"code":', ":", ",", "Thought:", "\n", "是"]
PIECES += ['"name":', '"arguments": {', "\x00", "\u202e", "```", *map(json.dumps, VALID)]
PIECES += string.printable


def mutated(rng: random.Random, text: str) -> str:
    """A valid step with a few characters deleted, doubled, exchanged or put in."""
    for _ in range(rng.randrange(6)):
        at = rng.randrange(len(text) + 1)
        end = min(len(text), at + rng.randrange(8))
        middle = rng.choice(["", text[at:end] * 2, rng.choice(PIECES), chr(rng.randrange(0x3000))])
        text = text[:at] + middle + text[end:]
    return text


def test_ten_thousand_fuzzed_steps_neither_raise_nor_hang() -> None:
    rng = random.Random(0)
    began = time.monotonic()
    read = 0
    for number in range(10_000):
        if number % 2:
            text = "".join(rng.choices(PIECES, k=rng.randrange(60)))
        else:
            text = mutated(rng, json.dumps(rng.choice(VALID)))
        step = steps.parse(text, OFFER)
        check_step(step)
        read += step is not None
    assert time.monotonic() - began < 30
    assert read > 2000  # many mutations leave a step that can be read


@pytest.mark.parametrize(
    "text",
    [
        "{" * 1_000_000,
        '{"a":' * 200_000,
        "[" * 1_000_000,
        '{"a":' + "[" * 100_000,
        '{"action": "search", "query": "' + "x" * 1_000_000,
        '{"action": "read_on", "passage": ' + "9" * 100_000 + "}",
        "\\" * 100_000,
        '{"action": {' * 50_000,
        "是" * 500_000,
    ],
    ids=lambda text: text[:12],
)
def test_huge_and_deep_texts_are_read_in_no_time(text) -> None:
    began = time.monotonic()
    check_step(steps.parse(text, OFFER))
    assert time.monotonic() - began < 20  # minutes, were each brace of a megabyte tried
