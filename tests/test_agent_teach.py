"""Teaching: hints before solutions, levels, where to read on."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from scripted import FewPassages, passage
from test_agent_session import ask

from exercises.hints import take_hint
from exercises.report import Report, Result
from exercises.spec import find_one
from kb import KnowledgeBase
from tutor import agent
from tutor.agent import Citation, ReadOn, prompts, teach
from tutor.agent.reading import read_on
from tutor.base import settings as settings_
from tutor.base.i18n import detect
from tutor.progress import Progress, open_progress

LORA = "LoRA freezes the pretrained weights and trains two low-rank matrices A and B."


@pytest.fixture
def record(home: Path) -> Progress:
    return open_progress()[0]


@pytest.mark.parametrize(
    ("question", "exercise", "kind"),
    [
        ("how do I solve week5/lora?", "week5/lora", "solve"),
        ("give me the solution of week5/lora_from_scratch", "week5/lora_from_scratch", "solve"),
        ("week5/qlora: I'm stuck", "week5/qlora", "solve"),
        ("what should I write in the qlora exercise?", "week5/qlora", "solve"),
        ("my check fails at masked_labels, what should I write?", "week5/lora", "solve"),
        ("give me a hint for this exercise", "week5/lora", "solve"),
        ("print exercises/week5/lora/solution.py", "week5/lora", "solve"),
        ("怎么写 week5/lora 的 make_example？", "week5/lora", "solve"),
        ("week5/qlora 的答案是什么", "week5/qlora", "solve"),
        ("这道题怎么做？", "week5/lora", "solve"),
        ("lora from scratch 练习的提示", "week5/lora_from_scratch", "solve"),
        ("why does my check fail?", "week5/lora", "why_failed"),
        ("what is wrong in my solution?", "week5/lora", "why_failed"),
        ("why did week5/qlora not pass?", "week5/qlora", "why_failed"),
        ("week5/lora 为什么没通过？", "week5/lora", "why_failed"),
        ("我的批改为什么失败", "week5/lora", "why_failed"),
    ],
)
def test_questions_about_an_exercise(question, exercise, kind) -> None:
    found = teach.exercise_question(question, current="week5/lora")
    assert found and (found.exercise.id, found.kind) == (exercise, kind)


@pytest.mark.parametrize(
    "question",
    [
        "what is LoRA?",
        "How do I write a LoRA layer in PyTorch?",
        "Why does LoRA fail to learn with a tiny learning rate?",
        "What is the solution to vanishing gradients?",
        "How does a ReAct agent solve a task?",
        "how long does week5/lora take?",
        "What does QLoRA answer for long prompts?",
        "怎么写 LoRA 层？",
        "LoRA 训练失败的常见原因是什么？",
        "解码时怎么做束搜索？",
        "思维链提示怎么写？",
    ],
)
def test_questions_about_a_topic_are_left_alone(question) -> None:
    assert teach.exercise_question(question, current="week5/lora") is None


def test_this_exercise_needs_one_to_mean() -> None:
    assert teach.exercise_question("how do I solve this exercise?") is None


def test_the_ladder_is_climbed_one_hint_a_question(record: Progress) -> None:
    exercise = find_one("week5/lora")
    chat, kb, hints = agent.Session(record), FewPassages(LORA), exercise.hints()
    questions = ["how do I solve week5/lora?", "next hint", "再给一条提示", "and the next?"]
    for number, question in enumerate(questions, 1):
        answer, _, server = ask(chat, question, kb, "def solved(): ...")
        assert server.requests == [] and kb.queries == []
        assert answer.exercise == "week5/lora" and answer.steps == 0
        assert getattr(hints[number - 1], detect(question)) in answer.text
        assert record.hints_taken("week5/lora") == number
    assert number == len(hints)
    assert "tutor check week5/lora" in answer.text and "once you have passed" in answer.text
    answer, _, _ = ask(chat, "give me the solution of week5/lora", kb, "")
    assert record.hints_taken("week5/lora") == len(hints)
    assert str(hints[-1]) in answer.text


def test_the_solution_is_never_quoted(record: Progress) -> None:
    exercise = find_one("week5/lora_from_scratch")
    lines = (exercise.folder / "solution.py").read_text("utf-8").splitlines()
    starter = exercise.starter("en").read_text("utf-8")
    own = {line.strip() for line in lines if len(line.strip()) > 50} - set(starter.split("\n"))
    chat, said = agent.Session(record), ""
    for _ in range(len(exercise.hints()) + 1):
        question = "show me the solution of week5/lora_from_scratch"
        said += ask(chat, question, FewPassages(LORA), "")[0].text
    assert own and not [line for line in own if line in said]


def test_who_has_passed_is_told_where_the_solution_lies(record: Progress) -> None:
    result = Result("trained", "It is trained", 1, "passed")
    record.record_check(_report("week5/lora", result))
    answer, _, _ = ask(agent.Session(record), "the solution of week5/lora?", FewPassages(LORA), "")
    assert "solution.py" in answer.text and "passed" in answer.text
    assert record.hints_taken("week5/lora") == 0


def _report(exercise: str, *results: Result) -> Report:
    return Report(exercise, "finished", results, 1.0)


def test_my_exercise_is_the_one_at_hand(record: Progress) -> None:
    assert record.last_exercise() == ""
    record.log("open", "week5/qlora")
    answer, _, _ = ask(agent.Session(record), "I am stuck in this exercise", FewPassages(LORA), "")
    assert answer.exercise == "week5/qlora"


def test_hints_in_the_shell_and_in_answers_are_one_ladder(record: Progress) -> None:
    exercise = find_one("week5/lora")
    assert take_hint(exercise, record).number == 1
    answer, _, _ = ask(agent.Session(record), "how do I solve week5/lora?", FewPassages(LORA), "")
    assert str(exercise.hints()[1]) in answer.text
    for _ in exercise.hints():
        last = take_hint(exercise, record)
    assert last.again and last.number == last.of == len(exercise.hints())


# Levels


def test_without_a_level_the_prompt_is_as_ever(record: Progress) -> None:
    settings = settings_.load()
    assert teach.style(None, settings, "en") == "" == teach.style(None, settings, "zh")
    plain = prompts.write("What is LoRA?", "en", [passage(1, LORA)])
    for level in get_args(teach.Level):
        for lang in ("en", "zh"):
            style = teach.style(level, settings, lang)
            assert 0 < len(style) < 80
            styled = prompts.write("What is LoRA?", "en", [passage(1, LORA)], style)
            assert styled[0] == plain[0]
            assert styled[1]["content"] == plain[1]["content"] + style


def test_the_level_reaches_the_end_of_the_prompt(
    record: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    kb, said = FewPassages(LORA), "LoRA freezes the pretrained weights."
    *_, server = ask(agent.Session(record), "what does LoRA freeze?", kb, said, level="child")
    assert server.requests[-1]["messages"][-1]["content"].endswith("as for a child.")
    monkeypatch.setenv("TUTOR_WEEK", "5")
    *_, server = ask(agent.Session(record), "what does LoRA freeze?", kb, said)
    assert server.requests[-1]["messages"][-1]["content"].endswith("LoRA, PEFT and QLoRA.")


def test_the_command_offers_every_level() -> None:
    from tutor.cli.ask import LEVELS

    assert get_args(teach.Level) == LEVELS == tuple(teach.LEVELS)


# Where to read on

LESSON = passage(
    7,
    "B starts at zero.",
    doc="lessons/week5.en.md",
    title="Week 5: LoRA, PEFT and QLoRA",
    heading="Week 5: LoRA, PEFT and QLoRA > 2. LoRA: a low-rank detour > Why zero",
    source="lessons",
)
PAPER = passage(
    8, "NF4.", doc="papers/2305.14314-qlora.pdf", title="QLORA: Efficient", page=5, url="https://x.y/q"
)  # fmt: skip


def where(*cited, kb: FewPassages | None = None) -> ReadOn | None:  # type: ignore[no-untyped-def]
    marks = [Citation(number, p) for number, p in enumerate(cited, 1)]
    found: KnowledgeBase = kb or FewPassages(*cited)  # type: ignore[assignment]
    return read_on("why does B start at zero?", "en", marks, found)


def test_read_on_in_the_lesson_that_was_cited_or_is_nearest() -> None:
    section = ReadOn("Week 5: LoRA, PEFT and QLoRA › 2. LoRA: a low-rank detour", unit="week5")
    assert where(PAPER, LESSON) == section
    assert where(PAPER, kb=FewPassages(PAPER, LESSON)) == section


def test_read_on_in_the_document_by_the_plans_name_and_address() -> None:
    paper = where(PAPER)
    assert paper and paper.url == "https://arxiv.org/abs/2305.14314" and paper.unit == ""
    assert paper.title.startswith("QLoRA") and paper.title.endswith(", p. 5")
    other = passage(9, "Text.", url="https://example.org/a")
    assert where(other) == ReadOn("Document 9", url="https://example.org/a")


def test_nothing_to_read_on_about_the_learner() -> None:
    assert where(passage(-5, "You passed 3.", source="learner"), kb=FewPassages(LESSON)) is None


def test_every_covered_answer_says_where_to_read_on(record: Progress) -> None:
    kb = FewPassages(LORA, LESSON)
    said = "LoRA freezes the pretrained weights."
    answer, _, _ = ask(agent.Session(record), "what does LoRA freeze?", kb, said)
    assert answer.covered and answer.read_on and answer.read_on.unit == "week5"
    assert "week5" not in answer.text
    answer, _, _ = ask(agent.Session(record), "how many cats?", kb, "Nine cats.")
    assert not answer.covered and answer.read_on is None
