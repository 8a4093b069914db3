"""Search, on a small index of real words: fusion, languages, filters, literal terms."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from kb import glossary, words
from kb.evaluate import Question, evaluate, read_questions
from kb.search import KnowledgeBase, distinct, fuse, lift, open_kb, word_queries
from kb.store import open_store
from kb.sync import sync_mirror
from tutor.base.errors import TutorError
from tutor.cli import cli

PAGES = {
    "lora.md": "# LoRA\n\nLow-rank adaptation freezes the pretrained weights and trains two small "
    "matrices. Set `use_rslora=True` in LoraConfig to scale by the square root of the rank.\n",
    "decoding.md": "# Decoding\n\nTemperature divides the logits before the softmax. A low value "
    "makes the output nearly deterministic, a high one makes it diverse.\n\n## Beam search\n\n"
    "Beam search keeps the most likely hypotheses at each time step.\n",
    "rag.md": "# Retrieval\n\nA vector store answers with the nearest neighbours of the question's "
    "embedding; the model writes an answer out of them.\n",
    "copy.md": "# Retrieval, again\n\nA vector store answers with the nearest neighbours of the "
    "question's embedding; the model writes an answer out of them.\n",
    "liang.md": "# 量化\n\n量化把模型权重从浮点数换成低精度整数，从而节省显存。常用的是 NF4 格式，"
    "推理速度几乎不受影响。\n",
    "wendu.md": "# 文本生成\n\n温度越高，生成的文本越多样；贪心搜索每一步都取概率最大的词元。\n",
}


@pytest.fixture
def kb(home: Path, tmp_path: Path, minilm: Path) -> KnowledgeBase:
    folder = tmp_path / "mirror" / "peft-docs"
    folder.mkdir(parents=True)
    (folder / "SOURCE.json").write_text(json.dumps({"repo": "a/b", "commit": "c"}))
    for name, text in PAGES.items():
        (folder / name).write_text(text)
    sync_mirror(open_store(), tmp_path / "mirror")
    return open_kb()


def first(kb: KnowledgeBase, query: str, **filters) -> str:
    return Path(kb.search(query, **filters)[0].doc).name


def test_words_and_meaning_both_find(kb) -> None:
    assert first(kb, "use_rslora") == "lora.md"
    assert first(kb, "rslora") == "lora.md", "a part of an identifier finds it"
    assert first(kb, "find the closest texts", lang="en") in ("rag.md", "copy.md")


def test_chinese_finds_chinese_and_english(kb) -> None:
    assert first(kb, "量化有什么好处？") == "liang.md"
    assert first(kb, "低秩适配训练哪些矩阵？", lang="en") == "lora.md"
    assert first(kb, "温度参数有什么作用", lang="en") == "decoding.md"
    assert first(kb, "温度参数有什么作用", lang="zh") == "wendu.md"


def test_what_is_printed_cannot_command_the_terminal(kb, tmp_path) -> None:
    page = "# Colours \x1b[31m\n\nThe zebra\x1b]0;owned\x07 crossing has\u202e stripes.\n"
    (tmp_path / "mirror" / "peft-docs" / "zebra.md").write_text(page)
    sync_mirror(open_store(), tmp_path / "mirror")
    printed = CliRunner().invoke(cli, ["kb", "search", "zebra crossing"]).output
    assert "The zebra crossing has stripes." in printed
    assert not {"\x1b", "\x07", "\u202e"} & set(printed)


def test_filters_leave_only_what_they_say(kb) -> None:
    assert {p.lang for p in kb.search("model weights", k=9, lang="zh")} == {"zh"}
    assert kb.search("beam search", week=5), "the plan links peft-docs in week 5"
    assert kb.search("beam search", week=8) == []


def test_near_duplicates_are_shown_once(kb) -> None:
    names = [Path(p.doc).name for p in kb.search("vector store nearest neighbours", k=6)]
    assert len({"rag.md", "copy.md"} & set(names)) == 1


def test_scores_fall_and_ids_lead_back(kb) -> None:
    found = kb.search("beam search hypotheses", k=4)
    assert [p.score for p in found] == sorted((p.score for p in found), reverse=True)
    around = kb.read_on(found[0].id)
    assert found[0].id in [p.id for p in around]
    assert kb.read_on(10**9) == []


def test_contains_is_literal(kb) -> None:
    for term in ("use_rslora", "LORACONFIG", "NF4", "显存", "beam search", "use_rslora=True"):
        assert kb.contains(term), term
    for term in ("GPT-7", "rslor", "NF", "use_dora", "", "?!", "蒸馏"):
        assert not kb.contains(term), term


@pytest.mark.parametrize(
    "query",
    ["", "   ", "?!", '"', "AND OR NOT", "a*", "NEAR(x y)", "heading: x", "的", "'; DROP", "\0"],
)
def test_no_query_breaks_it(kb, query) -> None:
    assert isinstance(kb.search(query), list)


def test_without_vectors_words_still_find(kb, monkeypatch) -> None:
    monkeypatch.setattr("kb.search.encoder.present", lambda: False)
    assert first(open_kb(), "beam search hypotheses") == "decoding.md"


def test_another_process_sees_what_was_added(kb, tmp_path) -> None:
    """The vectors in memory are read again after a change."""
    assert not kb.contains("axolotl")
    (tmp_path / "mirror/peft-docs/new.md").write_text("# New\n\nThe axolotl regrows its limbs.\n")
    sync_mirror(open_store(), tmp_path / "mirror")
    assert first(kb, "an animal that grows legs back") == "new.md"


def test_scores_are_scaled_before_they_are_added() -> None:
    scores = fuse([{1: 20.0, 2: 10.0}, {3: 5.0}], {2: 1.0, 4: 0.5})
    assert scores[1] == pytest.approx(0.55)
    assert scores[2] == pytest.approx(0.275 + 0.45)
    assert scores[3] == pytest.approx(0.55 * 0.6), "a translated term counts a little less"
    assert scores[4] == pytest.approx(0.225)
    assert fuse([], {}) == {}


def test_a_document_with_several_good_passages_is_lifted() -> None:
    lifted = lift({1: 0.5, 2: 0.5, 3: 0.5}, {1: 10, 2: 20, 3: 20})
    assert lifted[2] == lifted[3] > lifted[1] == 0.5


def test_identifiers_are_indexed_whole_and_in_parts() -> None:
    assert words.index_text("peft.LoraConfig(use_rslora)").split() == [
        "peft", "LoraConfig", "Lora", "Config", "use_rslora", "use", "rslora",
    ]  # fmt: skip
    assert words.index_text("see https://a.b/c now") == "see now"


def test_question_words_leave_out_what_says_nothing() -> None:
    assert words.question_words("What is the rank of gpt-2?") == ["rank", "gpt 2", "gpt"]
    assert "什么" not in words.question_words("什么是量化")


def test_one_word_in_two_spellings_is_found_by_both() -> None:
    assert "finetuning" in words.index_text("fine-tuning").split()
    assert {"fine tuning", "finetuning"} <= set(words.question_words("fine-tuning"))
    assert "stateoftheart" not in words.index_text("state-of-the-art")
    assert words.question_words("bits per param") == ["bits", "per", "param", "parameter"]


def test_unknown_words_are_names_not_rare_words(kb) -> None:
    said = "how do I connect a turbopuffer store to crunchy hypotheses?"
    assert kb.unknown_words(said) == ["turbopuffer"]
    assert kb.unknown_words("the nearest neighbuors of a question") == [], "a typing mistake"
    assert kb.unknown_words("turbopuffer/store https://turbopuffer.example 量化") == []


def test_the_glossary_bridges_both_ways() -> None:
    assert "LoRA" in glossary.in_english("低秩适配")
    assert "fine-tuning" in glossary.in_english("怎么微调")
    assert "量化" in glossary.in_chinese("How does quantization work?")
    assert glossary.gist("量化后 GPT-2 的困惑度") == "quantization GPT-2 perplexity"
    assert len(word_queries("量化 NF4")) == 2 and len(word_queries("quantization")) == 1


def test_evaluation_scores_ranks_and_names_what_it_missed(kb, tmp_path) -> None:
    rows = [
        {"id": "a", "lang": "en", "kind": "fact", "question": "what does temperature divide?",
         "gold": [{"doc": "peft-docs/decoding.md", "quote": "Temperature divides the *logits*"}]},
        {"id": "b", "lang": "zh", "kind": "fact", "question": "量化节省什么",
         "gold": [{"doc": "peft-docs/lora.md", "quote": "nothing of the kind"}]},
        {"id": "c", "lang": "en", "kind": "unanswerable", "question": "?", "gold": []},
    ]  # fmt: skip
    path = tmp_path / "q.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    result = evaluate(kb, read_questions(path))
    assert (result.overall.questions, result.overall.hit_1, result.overall.mrr) == (2, 0.5, 0.5)
    assert result.by_language["en"].hit_5 == 1 and result.missed == ["b"]
    path.write_text('{"id": 3}')
    with pytest.raises(TutorError, match="line 1"):
        read_questions(path)
    with pytest.raises(TutorError, match="No question"):
        evaluate(kb, [Question("c", "en", "?")])


def test_distinct_stops_at_k(kb) -> None:
    assert len(distinct(kb.search("model", k=5), 2)) == 2
