"""Conversations: follow-ups made to stand alone, turns kept, the model's own view labelled."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
from scripted import FewPassages, ScriptedServer, passage

from tutor import agent
from tutor.agent.followup import is_follow_up, standalone, topic
from tutor.agent.own_view import LABEL
from tutor.base import settings as settings_
from tutor.base.db import open_db
from tutor.base.errors import TutorError
from tutor.progress import MIGRATIONS, Progress, open_progress

ANSWER = '{"action": "answer"}'
LORA = "LoRA freezes the pretrained weights and trains two low-rank matrices A and B."
QLORA = "Double quantization saves on average about 0.37 bits per parameter in QLoRA."

FOLLOW_UPS = (
    "why?",
    "how so",
    "64?",
    "Why 64?",
    "what is the formula",
    "more details please",
    "can you give an example?",
    "explain it more simply",
    "What are the drawbacks?",
    "which one is faster?",
    "and its default?",
    "and lora_alpha?",
    "and for Mistral?",
    "And in Chinese?",
    "what about QLoRA?",
    "so why do they freeze the base?",
    "and why does B start at zero?",
    "What is its default rank in LoraConfig?",
    "How much memory does it need?",
    "How much GPU memory does it need?",
    "How do I merge it?",
    "How does this work?",
    "Is it used in GPT-2 too?",
    "does that cost latency?",
    "what is that good for?",
    "What happens if I double it?",
    "Do these parameters also get trained?",
    "为什么？",
    "那它呢？",
    "那 QLoRA 呢？",
    "和 LoRA 比呢？",
    "但它的默认值是多少？",
    "默认值是多少？",
    "它需要多少显存？",
    "能举个例子吗？",
    "这样做有什么好处？",
    "其优点是什么？",
    "再详细一点",
    "具体怎么做？",
    "那为什么要除以根号？",
    "前者的缺点是什么？",
)
ALONE = (
    "LoRA rank",
    "top_p vs top_k",
    "use_rslora default?",
    "What does temperature divide?",
    "How does LoRA keep its base frozen?",
    "How does LoRA work and why is it cheap?",
    "How does a tokenizer split its input?",
    "Is it better to use LoRA or full fine-tuning?",
    "Is it true that B starts at zero?",
    "How long does it take to fine-tune BERT?",
    "If the loss is nan, what does it mean?",
    "What does this error mean: CUDA out of memory?",
    "The idea is that LoRA adds nothing at inference, right?",
    "And how does DPO differ from PPO?",
    "so how do I quantize a model with llama.cpp?",
    "What should I read this week?",
    "which is faster, top_k or top_p?",
    "How many requests does one Gradio event handle at the same time?",
    "explain the difference between beam search and greedy decoding",
    "What is the default learning rate of the Trainer?",
    "什么是注意力机制？",
    "LoRA 为什么冻结它的权重？",
    "那么 DPO 和 PPO 有什么区别？",
    "学习率怎么设置呢？",
    "QLoRA 中 NF4 的作用是什么？",
    "尤其是小数据集，怎样避免过拟合？",
    "温度参数的默认值是多少？",
    "这周学什么？",
    "困惑度是什么意思",
    "RAG 和微调其实有什么不同？",
)


@pytest.mark.parametrize("question", FOLLOW_UPS)
def test_a_follow_up_takes_along_what_it_is_about(question) -> None:
    understood = standalone(question, "What does double quantization save?")
    assert understood.startswith(question)
    assert "quantization" in understood.removeprefix(question)


@pytest.mark.parametrize("question", ALONE)
def test_what_stands_alone_stays_as_it_is(question) -> None:
    assert standalone(question, "What does double quantization save?") == question


def test_every_development_question_stands_alone(shared: Path) -> None:
    import json

    lines = (shared / "questions" / "dev.jsonl").read_text("utf-8").splitlines()
    questions = [json.loads(line)["question"] for line in lines]
    assert [q for q in questions if is_follow_up(q)] == []


def test_the_topic_of_a_question() -> None:
    asked = "What is the default of use_rslora in peft.LoraConfig?"
    assert topic(asked) == ["default", "use_rslora", "peft.LoraConfig"]
    assert standalone("and its default?", asked) == (
        "and its default? (about: use_rslora, peft.LoraConfig)"
    )
    assert standalone("那它的缺点呢？", "大语言模型的注意力机制怎么算？").startswith(
        "那它的缺点呢？（关于：大语言模型、注意力机制"
    )


def test_a_follow_up_of_a_follow_up_keeps_the_topic_and_stays_short() -> None:
    understood = "What does double quantization save in QLoRA?"
    for question in ("and for Mistral?", "and why?", "and with paged_adamw?", "and in Gemma?"):
        understood = standalone(question, understood)
    assert "paged_adamw" in understood and "quantization" in understood
    assert len(topic(understood.partition("(")[2])) <= 10


def test_a_name_that_the_answer_brought_up_is_taken_along() -> None:
    said = "Set gradient_checkpointing in TrainingArguments. [1] LoraConfig is for later."
    understood = standalone("what is its default?", "How do I save memory?", said)
    assert "gradient_checkpointing" in understood and "LoraConfig" not in understood


# Sessions


def ask(  # type: ignore[no-untyped-def]
    chat: agent.Session, question: str, kb: FewPassages, prose: str, steps=(ANSWER,), **options
):
    """Return the answer to the next question of a session, its events and the server."""

    async def collect() -> list[agent.Event]:
        settings = replace(settings_.load(), base_url=server.url)
        events = chat.ask(question, lambda: kb, settings=settings, **options)  # type: ignore[arg-type,return-value]
        return [event async for event in events]

    with ScriptedServer(prose, list(steps)) as server:
        events = asyncio.run(collect())
    assert isinstance(events[-1], agent.Done)
    return events[-1].answer, events, server


@pytest.fixture
def record(home: Path) -> Progress:
    return open_progress()[0]


def test_a_session_is_kept_and_its_follow_up_understood(record: Progress) -> None:
    kb = FewPassages(LORA, QLORA)
    chat = agent.Session(record)
    said = "Double quantization saves about 0.37 bits per parameter."
    first, events, _ = ask(chat, "What does double quantization save in QLoRA?", kb, said)
    assert first.covered and first.session == chat.id and first.standalone == ""
    assert not any(isinstance(event, agent.Thought) for event in events)

    second, events, server = ask(chat, "and how much per parameter?", kb, said)
    assert second.question == "and how much per parameter?"
    assert second.standalone == (
        "and how much per parameter? (about: double, quantization, save, QLoRA)"
    )
    assert isinstance(events[0], agent.Thought) and second.standalone in events[0].text
    assert second.standalone in kb.queries
    assert second.standalone in server.requests[-1]["messages"][1]["content"]

    kept = record.sessions.turns(first.session)
    assert [turn.question for turn in kept] == [first.question, second.question]
    assert [agent.answer_of(turn).text for turn in kept] == [first.text, second.text]  # type: ignore[union-attr]
    assert agent.answer_of(kept[0]).citations == first.citations  # type: ignore[union-attr]


def test_the_question_alone_decides_the_language(record: Progress) -> None:
    chat = agent.Session(record)
    ask(chat, "量化和双重量化有什么区别？", FewPassages(QLORA), "双重量化。")
    _, _, server = ask(chat, "why?", FewPassages(QLORA), "It saves 0.37 bits per parameter.")
    prompt = server.requests[-1]["messages"][-1]["content"]
    assert "双重量化" in prompt and "用一到四句中文" not in prompt


def test_a_stopped_question_stays_as_unanswered(record: Progress) -> None:
    chat = agent.Session(record)

    async def stop() -> None:
        settings = replace(settings_.load(), base_url=server.url)
        events = chat.ask("how?", lambda: FewPassages(LORA), settings=settings)  # type: ignore[arg-type,return-value]
        async with aclosing(events):  # type: ignore[type-var]
            async for event in events:
                if isinstance(event, agent.Token):
                    return

    with ScriptedServer("LoRA freezes the pretrained weights. " * 50, [ANSWER]) as server:
        asyncio.run(stop())
    (turn,) = record.sessions.find()
    assert turn.question == "how?" and turn.answer is None and agent.answer_of(turn) is None
    # What came to nothing still says what the next question is about.
    asked, _, _ = ask(chat, "and LoRA?", FewPassages(LORA), "LoRA freezes the weights.")
    assert asked.session == turn.session


def test_a_cancelled_question_stays_as_unanswered(record: Progress) -> None:
    async def interrupt() -> None:
        async def never() -> None:
            events = agent.Session(record).ask("why?", _blocked, settings=settings_.load())  # type: ignore[arg-type]
            async for _ in events:
                pass

        task = asyncio.create_task(never())
        while not record.sessions.find():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(interrupt())
    assert [turn.answer for turn in record.sessions.find()] == [None]


def _blocked():  # type: ignore[no-untyped-def]
    import time

    time.sleep(0.3)
    return FewPassages(LORA)


def test_past_turns_are_found_by_words_in_both_languages(record: Progress) -> None:
    chat = agent.Session(record)
    said = "LoRA 冻结预训练权重，只训练两个低秩矩阵。"
    ask(chat, "LoRA 怎么训练？", FewPassages(passage(1, said, lang="zh")), said)
    ask(agent.Session(record), "What is use_rslora?", FewPassages(LORA), "Nothing.")
    sessions = record.sessions
    assert [t.question for t in sessions.find("低秩 lora")] == ["LoRA 怎么训练？"]
    assert [t.question for t in sessions.find("USE_RSLORA")] == ["What is use_rslora?"]
    assert sessions.find("use%rslora") == [] == sessions.find("useXrslora")
    assert [t.session for t in sessions.find()] == [2, 1]
    assert [t.session for t in sessions.find(session=1)] == [1]
    assert sessions.latest() == 2


def test_an_unknown_session_is_refused(record: Progress) -> None:
    with pytest.raises(TutorError, match="99"):
        agent.resume(record, 99)


def test_questions_of_an_older_record_become_a_session(tmp_path: Path) -> None:
    path = tmp_path / "progress.db"
    old = Progress(open_db(path, MIGRATIONS[:1]))
    old.log("question", "What is LoRA?", answer="Low-rank. [1]", covered=True, model="m")
    old.log("question", "asked in the interface")
    old.log("hint", "week5/lora", number=1)
    old.close()
    record, _ = open_progress(path)
    turns = record.sessions.turns(record.sessions.latest() or 0)
    assert [(t.question, t.answer, t.covered) for t in turns] == [
        ("What is LoRA?", "Low-rank. [1]", True),
        ("asked in the interface", None, False),
    ]
    assert record.hints_taken("week5/lora") == 1
    assert record.db["events"].count == 1


def test_the_own_view_is_labelled_and_cites_nothing(record: Progress) -> None:
    kb = FewPassages(LORA)
    chat = agent.Session(record)
    answer, events, server = ask(chat, "What is LoRA?", kb, "It is a fashion. [1]", own=True)
    shown = "".join(e.text for e in events if isinstance(e, agent.Token))
    assert shown == answer.text == f"{LABEL['en']}It is a fashion. [1]"
    assert answer.own_view and not answer.covered and not answer.citations
    assert answer.read_on is None and kb.queries == []
    assert LORA not in str(server.requests)
    assert record.sessions.turns(answer.session)[0].own_view
    answer, _, _ = ask(chat, "什么是 LoRA？", kb, "不知道。", own=True)
    assert answer.text.startswith(LABEL["zh"])


def test_the_own_view_is_never_given_unasked(record: Progress) -> None:
    answer, _, _ = ask(agent.Session(record), "how many cats?", FewPassages(LORA), "Nine cats.")
    assert not answer.covered and not answer.own_view
