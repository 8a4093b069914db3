"""The agent's control flow against a scripted model: what it says, cites, refuses and survives."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest
from scripted import ANSWER, FewPassages, Reply, ScriptedServer, answer_of, passage, run

from tutor import agent
from tutor.agent.evidence import PASSAGES, Evidence
from tutor.agent.prompts import excerpt
from tutor.agent.support import find_support
from tutor.agent.terms import names, numbers
from tutor.agent.writer import AnswerWriter
from tutor.base import settings as settings_
from tutor.engine import EngineError

LORA = "LoRA freezes the pretrained weights and trains two low-rank matrices A and B."
QLORA = "Double quantization saves on average about 0.37 bits per parameter."
KB = (LORA, QLORA)


def writing(*passages) -> AnswerWriter:  # type: ignore[no-untyped-def]
    kb = FewPassages(*passages)
    return AnswerWriter(Evidence("", "en", kb, list(kb.passages)))  # type: ignore[arg-type]


def test_an_answer_cites_the_passage_that_holds_it(home) -> None:
    events, _ = run(
        "how many bits does double quantization save?",
        FewPassages(*KB),
        "Double quantization saves about 0.37 bits per parameter [2].",
    )
    answer = answer_of(events)
    assert answer.text == "Double quantization saves about 0.37 bits per parameter. [1]"
    assert [(c.number, c.passage.text) for c in answer.citations] == [(1, QLORA)]
    assert answer.covered and answer.steps == 1
    assert isinstance(events[0], agent.Observation)


def test_a_mark_is_moved_to_the_passage_that_holds_the_sentence(home) -> None:
    wrong = "LoRA trains two low-rank matrices and freezes the pretrained weights. [2][9]"
    answer = answer_of(run("how does it work?", FewPassages(*KB), wrong)[0])
    assert [c.passage.text for c in answer.citations] == [LORA]
    assert "[2]" not in answer.text and "[9]" not in answer.text


def test_a_figure_is_cited_from_the_paper(home) -> None:
    said = "Double quantization saves 0.37 bits per parameter."
    kb = FewPassages(QLORA)
    kb.more = {said: [passage(9, f"We find: {QLORA}", source="papers")]}
    answer = answer_of(run("how many bits does double quantization save?", kb, said)[0])
    assert [c.passage.source for c in answer.citations] == ["papers"]
    kb.more = {said: [passage(9, "Double quantization saves nothing.", source="papers")]}
    answer = answer_of(run("how many bits does double quantization save?", kb, said)[0])
    assert [c.passage.source for c in answer.citations] == ["test"]


def test_a_wrong_number_is_not_supported(home) -> None:
    said = "LoRA freezes the pretrained weights. Double quantization saves 0.52 bits per parameter."
    answer = answer_of(run("how?", FewPassages(*KB), said)[0])
    assert answer.unsupported == ("Double quantization saves 0.52 bits per parameter.",)
    assert answer.text.endswith("[?]")
    assert len(answer.citations) == 1


@pytest.mark.parametrize(
    "reply", ["NOT COVERED", "NOT COVERED.", "The passages do not mention it, but I think 4."]
)
def test_a_refusal_is_said_plainly(home, reply) -> None:
    answer = answer_of(run("how many cats?", FewPassages(*KB), reply)[0])
    assert not answer.covered and not answer.citations
    assert answer.text == "The sources do not cover this question."
    assert [p.text for p in answer.nearest] == list(KB)


def test_an_invented_answer_is_not_covered(home) -> None:
    said = "The committee met in Paris and chose bananas."
    answer = answer_of(run("what did they choose?", FewPassages(*KB), said)[0])
    assert not answer.covered and not answer.citations
    assert answer.text.endswith("The sources do not cover this question.")


def test_an_answer_whose_first_sentence_is_invented_is_not_covered(home) -> None:
    said = "It scores 97.3 points. LoRA freezes the pretrained weights."
    answer = answer_of(run("how well does it score?", FewPassages(*KB), said)[0])
    assert not answer.covered and "LoRA freezes the pretrained weights. [1]" in answer.text
    assert [c.number for c in answer.citations] == [1], "a mark that was shown stands for a passage"


def test_an_unknown_name_needs_no_model(home) -> None:
    events, server = run("what learning rate did the GPT-7 paper use?", FewPassages(*KB), "0.1")
    answer = answer_of(events)
    assert not answer.covered and "GPT-7" in answer.text and not answer.citations
    assert server.requests == []


def test_whoever_needs_no_model_does_not_wait_for_it(home, monkeypatch) -> None:
    release, ready = threading.Event(), []

    def slowly(*_: str) -> str:
        ready.append(release.wait(20))
        return "scripted"

    monkeypatch.setattr("tutor.engine.process.served_model", slowly)
    events, _ = run("what learning rate did the GPT-7 paper use?", FewPassages(*KB), "0.1")
    assert not ready, "the shell was held until the model had been read"
    release.set()
    assert not answer_of(events).covered


def test_a_search_is_seen_and_bounded(home) -> None:
    kb = FewPassages(*KB)
    kb.more = {"matrices": [passage(3, "Rank decides the size.")], "rank": [passage(4, "More.")]}
    searches = [f'{{"action": "search", "query": "{q}"}}' for q in ("matrices", "rank", "again")]
    events, server = run("how?", kb, "LoRA freezes the pretrained weights.", *searches)
    calls = [e for e in events if isinstance(e, agent.ToolCall)]
    assert [c.arguments["query"] for c in calls] == ["matrices", "rank"]
    assert kb.queries == ["how?", "matrices", "rank"]
    assert answer_of(events).covered
    assert len(server.requests) == 3


def test_a_search_that_brings_nothing_new_is_not_repeated(home) -> None:
    kb = FewPassages(*KB)
    search = '{"action": "search", "query": "matrices"}'
    events, server = run("how?", kb, "LoRA freezes the pretrained weights.", search)
    assert kb.queries == ["how?", "matrices"]
    assert answer_of(events).covered
    assert len(server.requests) == 2


def test_strong_evidence_leaves_nothing_to_decide(home) -> None:
    question = "what does LoRA freeze and train?"
    events, server = run(question, FewPassages(*KB), "LoRA freezes the pretrained weights.")
    assert answer_of(events).covered
    assert len(server.requests) == 1


def test_reading_on_adds_the_neighbours(home) -> None:
    kb = FewPassages(*[f"Part {n} of the text about training." for n in range(1, 8)])
    read_on = f'{{"action": "read_on", "passage": {PASSAGES}}}'
    said = f"Part {PASSAGES + 1} of the text is about training."
    events, _ = run("what comes next?", kb, said, read_on)
    observed = [e for e in events if isinstance(e, agent.Observation)]
    assert [p.id for p in observed[1].passages] == [PASSAGES + 1]
    assert answer_of(events).citations[0].passage.id == PASSAGES + 1


def test_nonsense_is_repaired_once_then_answered(home) -> None:
    steps = ("Thought: hmm", "still no JSON")
    events, server = run("how?", FewPassages(*KB), "LoRA freezes the weights.", *steps)
    assert answer_of(events).covered
    assert len(server.requests) == 3
    assert "JSON" in server.requests[1]["messages"][-1]["content"]


@pytest.mark.parametrize(
    ("reply", "said"),
    [(Reply("LoRA freezes", cut=True), "does not answer"), (Reply(status=500), "500")],
)
def test_a_server_that_breaks_ends_with_a_clear_error(home, reply, said) -> None:
    with pytest.raises(EngineError, match=said):
        run("how?", FewPassages(*KB), reply)


def test_chinese_is_answered_in_chinese(home) -> None:
    kb = FewPassages(
        passage(1, "LoRA 冻结预训练权重，只训练两个低秩矩阵。", lang="zh"),
        passage(2, LORA),
    )
    events, server = run("LoRA 是怎么训练的？", kb, "LoRA 冻结预训练权重，只训练低秩矩阵。[1]")
    answer = answer_of(events)
    assert answer.covered and answer.citations[0].passage.lang == "zh"
    assert "中文" in server.requests[-1]["messages"][-1]["content"]


def test_a_chinese_sentence_is_supported_by_an_english_passage() -> None:
    sentence = "LoRA 冻结预训练权重，训练低秩矩阵 A 和 B。"
    assert find_support(sentence, [passage(1, "Cats sleep all day."), passage(2, LORA)])
    assert not find_support(sentence, [passage(1, "Cats sleep all day.")])


def test_closing_the_events_closes_the_request(home) -> None:
    async def leave() -> list[agent.Event]:
        settings = replace(settings_.load(), base_url=server.url)
        events = agent.ask("how?", FewPassages(*KB), settings=settings)  # type: ignore[arg-type]
        seen = []
        async for event in events:
            seen.append(event)
            if isinstance(event, agent.Token):
                break
        await events.aclose()  # type: ignore[attr-defined]
        return seen

    with ScriptedServer("LoRA freezes the pretrained weights. " * 200, [ANSWER]) as server:
        seen = asyncio.run(asyncio.wait_for(leave(), 20))
    assert isinstance(seen[-1], agent.Token)


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_the_shown_text_does_not_depend_on_the_pieces(size) -> None:
    text = (
        "LoRA freezes the pretrained weights [1], e.g. in GPT-3. It trains two matrices. [1, 2]\n"
        "- Double quantization saves 0.37 bits per parameter [2]\n"
        "It costs 99 dollars."
    )
    writer = writing(LORA, QLORA)
    events = [e for i in range(0, len(text), size) for e in writer.feed(text[i : i + size])] + list(
        writer.close()
    )
    shown = "".join(e.text for e in events if isinstance(e, agent.Token))
    assert shown == writer.text
    assert shown.splitlines() == [
        "LoRA freezes the pretrained weights, e.g. in GPT-3. [?] It trains two matrices. [1]",
        "- Double quantization saves 0.37 bits per parameter [2]",
        "It costs 99 dollars. [?]",
    ]


def test_a_refusal_after_an_answer_is_not_shown() -> None:
    writer = writing(passage(1, "LoRA 冻结预训练权重，只训练两个低秩矩阵。", lang="zh"))
    for piece in ("LoRA 冻结预训练", "权重。[1]NOT COV", "ERED"):
        list(writer.feed(piece))
    list(writer.close())
    assert writer.text == "LoRA 冻结预训练权重。[1]"
    assert not writer.refused


def test_what_was_cut_off_while_it_was_said_again_is_not_shown() -> None:
    writer = writing(LORA)
    for piece in ("LoRA freezes the pretrained weights and trains low-rank matrices. ",
                  "LoRA freezes the pretrained weights and"):  # fmt: skip
        list(writer.feed(piece))
    list(writer.close())
    assert len(writer.sentences) == 1
    assert writer.text.count("freezes") == 1


def test_a_model_that_repeats_itself_is_cut_short() -> None:
    writer = writing(LORA)
    text = "LoRA freezes the pretrained weights [Passage 1]. It trains two matrices [D1]. "
    list(writer.feed(text * 9))
    assert writer.complete
    assert writer.text.count("freezes") == 1
    assert "Passage" not in writer.text and "D1" not in writer.text


def test_a_heading_is_no_answer() -> None:
    writer = writing(passage(1, LORA, heading="4 Our method > 4.1 Low rank"))
    for piece in ("LoRA freezes the pretrained weights.\n 4 Our", " method > 4.1 Low rank\nMore."):
        list(writer.feed(piece))
    list(writer.close())
    assert writer.complete
    assert writer.text.strip() == "LoRA freezes the pretrained weights. [1]"


def test_an_answer_ends_after_a_few_sentences(home) -> None:
    said = " ".join(f"LoRA freezes the pretrained weights, part {w}." for w in "abcdefghij")
    answer = answer_of(run("how?", FewPassages(*KB), said)[0])
    assert answer.text.count("LoRA") == 4


def test_a_long_passage_is_cut_to_the_sentences_that_matter() -> None:
    filler = "Nothing in this sentence is of any use to anyone. "
    key = "B starts at zero so that the update is zero. "
    cut = excerpt(filler * 20 + key + filler * 20, "why does B start at zero?", limit=200)
    assert key.strip() in cut
    assert len(cut) <= 200
    assert cut[0] == "N" and cut.endswith(".")
    assert excerpt("short", "anything") == "short"


@pytest.mark.parametrize(
    ("said", "held"),
    [("4", False), ("24", True), ("1.2", True), ("1.25", True), ("1,000", True), ("100", False)],
)
def test_a_number_within_another_one_is_not_that_number(said, held) -> None:
    source = passage(1, "The run took 24 hours, 1.25TB of disk and 1000 steps.")
    support = find_support(f"The run took {said} of disk, hours and steps.", [source])
    assert (support is not None) == held


def test_names_and_numbers_of_a_question() -> None:
    found = names("Does use_rslora in LoraConfig or peft.LoraConfig(r=8) beat GPT-7 on SQuAD?")
    assert found == ["use_rslora", "LoraConfig", "peft.LoraConfig", "GPT-7", "SQuAD"]
    assert names("how much VRAM does Mixtral 8x7B need") == ["VRAM"]
    assert numbers("3,000 steps at 0.37, not GPT-7") == {"3000", "0.37"}
    assert numbers("from 1.2TB to 350GB，约267,735个") == {"1.2", "350", "267735"}
