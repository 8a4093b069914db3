"""How answers are scored, on answers made up for it; the runner and the compared systems against a
scripted model."""

from __future__ import annotations

import asyncio
import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from scripted import FewPassages, Reply, ScriptedServer, passage

from kb.evaluate import Gold
from tutor import engine
from tutor.agent import evaluate, peers, scoring, trial
from tutor.agent.recording import Exchange, WatchedKb, prompt_tokens, record
from tutor.agent.scoring import Question
from tutor.base import settings as settings_
from tutor.base.errors import TutorError

LORA = "LoRA freezes the pretrained weights and trains two low-rank matrices A and B."
QLORA = "Double quantization saves on average about 0.37 bits per parameter."
ASKED = Question(
    "q1",
    "en",
    "how many bits does double quantization save?",
    (Gold("doc2.md", "saves on average about 0.37 bits"),),
    "fact",
    5,
    (("0.37", "0.373"), ("bit",)),
)
UNKNOWN = Question("u1", "en", "how many cats were there?", (), "unanswerable", 5)
PASSAGES = (passage(1, LORA), passage(2, QLORA))
STEP = '{"action": "answer"}'


def score(text: str, question: Question = ASKED, cited=None, retrieved=PASSAGES) -> scoring.Score:  # type: ignore[no-untyped-def]
    return scoring.score(question, text, cited or dict(enumerate(PASSAGES, 1)), retrieved)


# Right and wrong


def test_every_list_of_facts_needs_a_member() -> None:
    assert score("It saves 0.373 BITS. [2]").right
    half = score("It saves 0.37. [2]")
    assert not half.right and half.missing == (("bit",),)
    assert not score("").right


def test_facts_in_a_mark_or_a_quoted_line_do_not_count() -> None:
    three = replace(ASKED, facts=(("3",),))
    assert not score("It has parts. [3] [?]", three).right
    assert not score("See below.\n> It saves 0.37 bits per parameter.", ASKED).right


@pytest.mark.parametrize(("unit", "most"), [("word ", 150), ("字", 300)])
def test_only_so_much_prose_counts(unit, most) -> None:
    tail = "0.37bits"
    room = most - (1 if unit == "word " else 2)  # the tail is a word, or two characters' worth
    assert score(unit * room + tail).right
    assert not score(unit * (room + 1) + tail).right


def test_chinese_and_english_share_the_length() -> None:
    assert scoring.prose("字" * 200 + " word" * 60).count("word") == 50
    assert scoring.prose("字，" * 300).count("字") == 300  # punctuation is no character


def test_punctuation_and_marks_are_no_words() -> None:
    text = "word - [1] " * 150
    assert scoring.prose(text).count("word") == 150


# Refusals


@pytest.mark.parametrize(
    "text",
    [
        "The sources do not cover this question.",
        "The sources do not cover this question: nothing in them mentions GPT-7.",
        "NOT COVERED",
        "The provided passages don't mention the number of cats.",
        "This is not specified in the given passages.",
        "There is no information about that.",
        "I cannot answer this with the tools I have.",
        "I don't know.",
        "现有资料没有涵盖这个问题。",
        "现有资料没有涵盖这个问题：其中没有提到 GPT-7。",
        "资料中未提及该数字。",
        "知识库里没有相关内容。",
        "抱歉，无法回答这个问题。",
    ],
)
def test_a_refusal_is_known_by_its_words(text) -> None:
    assert score(text, UNKNOWN).refused and score(text, UNKNOWN).right
    assert score(text).refused and not score(text).right


@pytest.mark.parametrize(
    "text",
    [
        "There were four cats.",
        "Self-attention has no notion of order, so positions are added.",
        "It does not need a reward model.",
        "The model cannot find long dependencies.",
        "自注意力没有位置信息，因此要加位置编码。",
        "解码器不能看到后面的词。",
    ],
)
def test_an_answer_is_no_refusal(text) -> None:
    assert not score(text, UNKNOWN).refused and not score(text, UNKNOWN).right


def test_what_cites_is_no_refusal() -> None:
    cited = score("The sources do not cover cats, but there were four. [1]", UNKNOWN)
    assert not cited.refused and not cited.right
    assert cited.marks == 1 and cited.right_marks == 0


def test_a_refusal_that_holds_the_facts_is_not_right() -> None:
    said = score("It saves 0.37 bits. [?]\n\nThe sources do not cover this question.")
    assert said.refused and not said.right and not said.missing


# Citations


def test_marks_belong_to_their_sentences() -> None:
    text = "First. [1] Second, of 0.37 [2]. Third one [1, 3]. 第四句。[2][1] Last."
    assert scoring.marks(text) == [
        ("First", 1),
        ("Second, of 0.37", 2),
        ("Third one", 1),
        ("Third one", 3),
        ("第四句", 2),
        ("第四句", 1),
    ]
    assert scoring.marks("one\ntwo. Three [7]") == [("Three", 7)]


def test_an_index_in_code_is_no_mark() -> None:
    text = "Take `x[0]` of it [1].\n```python\ny = x[2]\n```\nDone. ```x[3]"
    assert scoring.marks(text) == [("Take `x[0]` of it", 1)]


def test_a_citation_is_right_with_the_gold_quote_or_the_facts() -> None:
    assert score("It saves 0.37 bits. [2]").right_marks == 1
    wrong = score("It saves 0.37 bits. [1]")
    assert (wrong.marks, wrong.right_marks, wrong.foreign) == (1, 0, 0)
    elsewhere = passage(3, "They measured 0.373 of a bit.")
    facts = score("It saves 0.37 bits. [3]", cited={3: elsewhere}, retrieved=[elsewhere])
    assert facts.right_marks == facts.strict_marks == 1
    # The same words in another document are no gold quote, and "0.37" alone is not all facts.
    half = passage(4, "It was 0.37.")
    part = score("It saves 0.37. [4]", cited={4: half}, retrieved=[half])
    assert (part.right_marks, part.strict_marks) == (1, 0)
    both = score("It saves 0.37 bits. [4]", cited={4: half}, retrieved=[half])
    assert both.right_marks == 0
    none = score("It saves some. [4]", cited={4: half}, retrieved=[half])
    assert none.right_marks == 0


def test_a_citation_of_what_was_not_retrieved_is_foreign() -> None:
    assert score("It saves 0.37 bits. [7]").foreign == 1
    invented = score("It saves 0.37 bits. [2]", retrieved=PASSAGES[:1])
    assert (invented.foreign, invented.right_marks) == (1, 0)


# Questions and figures


def test_questions_are_read_with_their_facts(tmp_path) -> None:
    file = tmp_path / "q.jsonl"
    line = {"id": "a", "lang": "en", "question": "?", "facts": [["x", "y"]], "answer": "unused"}
    file.write_text(json.dumps(line) + "\n\n", "utf-8")
    (question,) = scoring.read_questions(file)
    assert question.facts == (("x", "y"),) and not question.answerable
    file.write_text('{"id": "a"}', "utf-8")
    with pytest.raises(TutorError, match="line 1"):
        scoring.read_questions(file)


def test_a_sample_keeps_the_shares() -> None:
    questions = [
        replace(ASKED, id=f"{lang}{kind}{n}", lang=lang, kind=kind)
        for lang, size in (("en", 30), ("zh", 10))
        for kind in ("fact", "concept")
        for n in range(size)
    ]
    chosen = scoring.sample(questions, 16, seed=3)
    assert len(chosen) == 16 and chosen == [q for q in questions if q in chosen]
    assert sum(q.lang == "zh" for q in chosen) == 4
    assert sum(q.lang == "en" and q.kind == "fact" for q in chosen) == 6
    assert scoring.sample(questions, 16, seed=3) == chosen
    assert scoring.sample(questions, 16, seed=4) != chosen
    assert scoring.sample(questions, 99) == questions


def row(system: str = "tutor", question: Question = ASKED, **more) -> evaluate.Row:  # type: ignore[no-untyped-def]
    return evaluate.Row(
        system,
        "model",
        question.id,
        question.lang,
        question.week,
        question.kind,
        question.question,
        question.answerable,
        **more,
    )


def test_the_figures_of_made_up_rows() -> None:
    rows = [
        row(right=True, marks=3, right_marks=2, strict_marks=1, first_token_s=1.0, total_s=2.0),
        row(question=replace(ASKED, id="q2", lang="zh"), refused=True, total_s=4.0, calls=2),
        row(question=replace(ASKED, id="q3"), error="gone", invalid_steps=1, prompt_tokens=(9,)),
        row(question=UNKNOWN, right=True, refused=True, total_s=6.0, prompt_tokens=(700, 900)),
        row(question=replace(UNKNOWN, id="u2"), marks=1, foreign=1, total_s=8.0),
    ]
    report = evaluate.report(rows)["tutor"]
    found = report.overall
    assert (found.n, found.errors, found.calls) == (5, 1, 2)
    assert (found.right, found.wrongly_refused) == (0.333, 0.333)
    assert found.told_uncovered == 0.5
    assert (found.citation_precision, found.citation_precision_strict) == (0.5, 0.25)
    assert (found.invalid_steps, found.foreign_citations) == (1, 1)
    assert found.total_s == evaluate.Spread(5.0, 8.0)
    assert found.prompt_tokens == evaluate.Spread(700, 900)
    assert report.by["lang"]["zh"].right == 0.0
    assert report.by["kind"]["unanswerable"].right is None
    assert report.by["week"]["5"].n == 5


def test_nothing_to_share_is_no_number() -> None:
    found = evaluate.report([row(question=UNKNOWN, error="gone")])["tutor"].overall
    assert found.right is None and found.citation_precision is None
    assert found.total_s == evaluate.Spread(None, None) and found.told_uncovered == 0.0


# The systems, against a scripted model


def asked(system: str, server: ScriptedServer, *questions: Question, file: Path, done=()):  # type: ignore[no-untyped-def]
    """Return the rows of a run of one system."""
    few = FewPassages(*PASSAGES)

    async def collect() -> list[evaluate.Row]:
        settings = replace(settings_.load(), base_url=server.url, model="scripted")
        chosen: dict[str, peers.System] = {
            "tutor": peers.Tutor(few, settings),  # type: ignore[arg-type]
            "plain": peers.Plain(settings, few.search),
            "stock": peers.Stock(few, settings),  # type: ignore[arg-type]
        }
        endpoint = engine.ensure(settings)
        rows = evaluate.run(questions, [chosen[system]], endpoint, file, done)
        return [row async for row in rows]

    with server:
        return asyncio.run(collect())


def test_the_tutor_is_asked_as_a_face_asks(home, tmp_path) -> None:
    file = tmp_path / "rows.jsonl"
    server = ScriptedServer("Double quantization saves about 0.37 bits per parameter [2].", [STEP])
    (found,) = asked("tutor", server, ASKED, file=file)
    assert found.right and not found.error
    assert (found.marks, found.right_marks, found.foreign, found.invalid_steps) == (1, 1, 0, 0)
    assert found.cited == ("doc2.md",) and found.found_gold
    assert found.answer == "Double quantization saves about 0.37 bits per parameter. [1]"
    assert found.calls >= 1 and found.pieces > 5 and found.model == "scripted"
    assert 0 < found.first_token_s <= found.total_s
    assert evaluate.read_rows(file) == [found]


def test_the_tutors_refusals_are_refusals(home, tmp_path) -> None:
    server = ScriptedServer("NOT COVERED", [STEP])
    unknown = replace(UNKNOWN, id="u2", question="what did the GPT-7 paper say?")
    chinese = replace(UNKNOWN, id="u3", question="一共有多少只猫？", lang="zh")
    rows = asked("tutor", server, UNKNOWN, unknown, chinese, ASKED, file=tmp_path / "rows.jsonl")
    by_id = {row.id: row for row in rows}
    quoted = by_id.pop("q1")
    assert not quoted.refused and quoted.marks, "a strong passage is quoted all the same"
    assert all(row.refused and row.right and row.marks == 0 for row in by_id.values()), rows


def test_a_step_that_needed_repair_is_counted(home, tmp_path) -> None:
    server = ScriptedServer("LoRA freezes the pretrained weights.", ["no JSON", STEP])
    question = replace(ASKED, question="how?")
    (found,) = asked("tutor", server, question, file=tmp_path / "rows.jsonl")
    assert (found.invalid_steps, found.calls) == (1, 3)


@pytest.mark.parametrize(
    ("prose", "step", "fared"),
    [
        ("zxqv blorp wibble wobble.", "zxqv blorp wibble wobble.", (0.0, 0.0)),
        ("1. 2. 0.37.", STEP, (1.0, 0.0)),
        ("Double quantization saves about 0.37 bits per parameter.", STEP, (1.0, 1.0)),
    ],
)
def test_the_gates_ask_what_the_model_itself_can(home, monkeypatch, prose, step, fared) -> None:
    """Strong evidence leaves nothing to decide, and is quoted whatever the model writes."""
    kb = FewPassages(*PASSAGES)
    with ScriptedServer(prose, [step]) as server:
        tutor = peers.Tutor(kb, replace(settings_.load(), base_url=server.url))  # type: ignore[arg-type]
        assert asyncio.run(tutor.answer(ASKED.question)).cited
        monkeypatch.setattr(trial, "_tutor", lambda *_: nullcontext(tutor))
        found = trial.behaviour("scripted", kb, [ASKED.question] * 2)  # type: ignore[arg-type]
    assert (found.valid_steps, found.cited) == fared and found.questions == 2


def test_plain_is_one_call_with_its_own_marks(home, tmp_path) -> None:
    server = ScriptedServer("It saves 0.37 bits [2][5].")
    (found,) = asked("plain", server, ASKED, file=tmp_path / "rows.jsonl")
    assert (found.marks, found.right_marks, found.foreign) == (2, 1, 1)
    assert found.right and found.calls == 1 and found.invalid_steps == 0
    sent = server.requests[0]
    assert (
        QLORA in sent["messages"][0]["content"] and "NOT COVERED" in sent["messages"][0]["content"]
    )
    assert "response_format" not in sent


def test_stock_searches_and_answers_in_its_own_format(home, tmp_path) -> None:
    step = 'Thought: I need a tool.\nAction: search\nAction Input: {"query": "quantization"}'
    server = ScriptedServer(
        "Thought: I can answer.\nAnswer: It saves 0.37 bits [2].", first=[Reply(step)]
    )
    (found,) = asked("stock", server, ASKED, file=tmp_path / "rows.jsonl")
    assert found.answer == "It saves 0.37 bits [2]."
    assert found.right and found.right_marks == 1
    assert (found.calls, found.invalid_steps) == (2, 0)
    assert QLORA in json.dumps(server.requests[1]["messages"])


def test_stock_that_answers_at_once_took_no_valid_step(home, tmp_path) -> None:
    server = ScriptedServer("It saves 0.37 bits [2].")
    (found,) = asked("stock", server, ASKED, file=tmp_path / "rows.jsonl")
    assert found.right and found.invalid_steps == 1
    assert found.foreign == 1  # nothing was retrieved


def test_stock_that_never_ends_is_an_error(home, tmp_path) -> None:
    server = ScriptedServer('Thought: More.\nAction: search\nAction Input: {"query": "x"}')
    (found,) = asked("stock", server, ASKED, file=tmp_path / "rows.jsonl")
    assert "20" in found.error and not found.right and found.calls == 20


@pytest.mark.parametrize("system", ["tutor", "plain", "stock"])
def test_an_engine_that_fails_is_written_down(home, tmp_path, system) -> None:
    server = ScriptedServer(Reply(status=401), [STEP])
    (found,) = asked(system, server, ASKED, file=tmp_path / "rows.jsonl")
    assert "401" in found.error and not found.right and found.answer == ""


def test_what_is_answered_is_not_asked_again(home, tmp_path) -> None:
    file = tmp_path / "rows.jsonl"
    other = replace(ASKED, id="q2")
    (first,) = asked("plain", ScriptedServer("It saves 0.37 bits."), ASKED, file=file)
    with file.open("ab") as cut:
        cut.write(b'{"system": "plain", "id"')
    done = evaluate.read_rows(file)
    assert done == [first]
    again = asked(
        "plain", ScriptedServer("No."), ASKED, other, file=file, done={row.key for row in done}
    )
    assert [row.id for row in again] == ["q2"]
    assert evaluate.read_rows(file) == [first, *again]


def test_a_file_of_something_else_is_refused(tmp_path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"question": "?"}\n', "utf-8")
    with pytest.raises(TutorError, match="line 1"):
        evaluate.read_rows(file)
    assert evaluate.read_rows(tmp_path / "none.jsonl") == []


@pytest.mark.parametrize(
    ("reply", "valid"),
    [
        ('Thought: t\nAction: search\nAction Input: {"query": "x"}', True),
        ("Thought: t\nAnswer: a", True),
        ('Thought: t\nAction: browse\nAction Input: {"query": "x"}', False),
        ('Thought: t\nAction: search\nAction Input: {"input": "x"}', False),
        ("Thought: t\nAction: search", False),
        ("Thought: and nothing more", False),
        ("The answer is 4.", False),
        ("", False),
    ],
)
def test_what_a_valid_stock_step_is(home, reply, valid) -> None:
    stock = peers.Stock(FewPassages(), settings_.load())  # type: ignore[arg-type]
    assert stock.valid(Exchange([], {}, reply)) is valid


def test_recording_leaves_the_client_as_it_was(home) -> None:
    stream = engine.ChatClient.stream
    with ScriptedServer("one two three") as server:
        settings = replace(settings_.load(), base_url=server.url, model="scripted")

        async def talk() -> int | None:
            async with engine.ChatClient(engine.ensure(settings)) as client:
                message: engine.Message = {"role": "user", "content": "hello"}
                assert await client.complete([message], max_tokens=9, stop=["!"]) == "one two three"
                return await prompt_tokens(client, [message])

        with record() as exchanges:
            tokens = asyncio.run(talk())
    assert tokens is None  # a server that tells no usage
    (exchange,) = exchanges
    assert exchange.reply == "one two three" and exchange.pieces == 3
    assert exchange.options == {"max_tokens": 9, "stop": ["!"]}
    assert 0 < exchange.first_s <= exchange.seconds
    assert engine.ChatClient.stream is stream


def test_a_watched_knowledge_base_remembers_what_it_gave() -> None:
    few = FewPassages(*PASSAGES)
    watched = WatchedKb(few)  # type: ignore[arg-type]
    assert watched.search("x", k=1) == [PASSAGES[0]] and watched.contains("LoRA")
    watched.read_on(2, before=0, after=0)
    assert list(watched.retrieved.values()) == list(PASSAGES)
    assert watched.queries == ["x"]


# Real passages, real model


@pytest.fixture
def small_kb(home, minilm):  # type: ignore[no-untyped-def]
    """A real knowledge base of three documents."""
    from kb import open_kb
    from kb.store import open_store
    from kb.sync import add

    folder = home / "docs"
    folder.mkdir()
    (folder / "lora.md").write_text(f"# LoRA\n\n{LORA}\n", "utf-8")
    (folder / "qlora.md").write_text(f"# QLoRA\n\n{QLORA}\n", "utf-8")
    (folder / "cats.md").write_text("# Cats\n\nCats sleep all day and hunt at night.\n", "utf-8")
    add(open_store(), folder)
    return open_kb()


def test_rank_fusion_finds_by_words_and_by_meaning(small_kb) -> None:
    find = peers.RankFusion(small_kb)
    assert "0.37" in find("double quantization bits", 4)[0].text
    assert "Cats" in find("feline slumber", 1)[0].text  # no word in common
    assert len(find("？！", 2)) == 2  # no words at all: by meaning alone


@pytest.mark.slow
@pytest.mark.needs_shared
def test_three_development_questions_with_the_small_model(home, shared, smollm2, tmp_path) -> None:
    questions = scoring.read_questions(shared / "questions" / "dev.jsonl")
    chosen = scoring.sample(questions, 3, seed=1)
    passages = [
        passage(n, gold.quote, doc=gold.doc)
        for n, gold in enumerate((g for q in chosen for g in q.gold), 1)
    ]
    few = FewPassages(*passages)
    file = tmp_path / "rows.jsonl"

    async def collect() -> list[evaluate.Row]:
        now = settings_.load()
        systems: list[peers.System] = [
            peers.Tutor(few, now),  # type: ignore[arg-type]
            peers.Plain(now, few.search),
            peers.Stock(few, now),  # type: ignore[arg-type]
        ]
        endpoint = await evaluate.warm_up(few, now)  # type: ignore[arg-type]
        return [row async for row in evaluate.run(chosen, systems, endpoint, file)]

    try:
        rows = asyncio.run(collect())
    finally:
        engine.stop()
    assert len(rows) == 9
    own = [row for row in rows if row.system == "tutor"]
    assert all(not row.error and row.invalid_steps == 0 and row.foreign == 0 for row in own)
    assert all(row.answer and row.total_s >= row.first_token_s > 0 for row in own)
    assert all(len(row.prompt_tokens) == row.calls for row in rows)
    assert max(count for row in own for count in row.prompt_tokens) > 50


def test_a_quotation_counts_and_is_told_apart() -> None:
    found = score("It saves some. [1]\n\nIn the source's words: “saves 0.37 bits” [2]")
    assert found.right and not found.right_in_own_words
    assert score("It saves 0.37 bits. [2]").right_in_own_words
    assert not score("No idea. [1]\n\n> saves 0.37 bits").right, "an excerpt beside it"
