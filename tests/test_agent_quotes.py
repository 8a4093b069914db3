"""The source's own words below an answer: which are chosen, and when there are none."""

from __future__ import annotations

import pytest
from scripted import FewPassages, passage
from test_agent import answer_of, run

from tutor.agent import quotes
from tutor.agent.evidence import Evidence

DQ = (
    "Quantization maps floats to integers. Double quantization quantizes the quantization "
    "constants as well. On average, for a blocksize of 64, it saves 0.373 bits per parameter. "
    "Paged optimizers avoid memory spikes."
)
OTHER = "Beam search keeps the most likely hypotheses. It needs more memory than greedy search."


def evidence(question: str, *passages, lang: str = "en") -> Evidence:  # type: ignore[no-untyped-def]
    kb = FewPassages(*passages)
    return Evidence(question, lang, kb, list(kb.passages))  # type: ignore[arg-type]


def test_the_run_that_shares_most_with_the_question_is_chosen() -> None:
    found = evidence("how many bits per parameter does double quantization save?", OTHER, DQ)
    quote = quotes.pick(found, "", room=30)
    assert quote is not None and quote.passage == 1
    assert "saves 0.373 bits per parameter" in quote.text
    assert quotes.length(quote.text) <= 30
    assert quote.text in " ".join(DQ.split()), "word for word"


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("why are bananas yellow?", ""),
        ("what does beam search keep?", f"As the source says: {OTHER}"),
    ],
)
def test_nothing_is_quoted_that_is_beside_the_point_or_said_already(question, said) -> None:
    assert quotes.pick(evidence(question, OTHER), said) is None


def test_an_endless_sentence_is_not_quoted() -> None:
    endless = "beam search " * 200
    assert quotes.pick(evidence("beam search", endless), "") is None


def test_links_fences_and_bullets_are_left_out() -> None:
    text = (
        "> [!TIP] See [beam search](https://example.org/x) for more.\n\n```python\n\nbeam_search(5)"
    )
    quote = quotes.pick(evidence("beam search", text), "")
    assert quote is not None and quote.text.startswith("See beam search for more.")
    assert "```" not in quote.text and "example.org" not in quote.text


def test_a_code_block_stays_one() -> None:
    block = "```python\nbeams = beam_search(5)\nprint(beams)\n```"
    quote = quotes.pick(evidence("beam search", f"Search with five beams:\n\n{block}\n"), "")
    assert quote is not None and f"\n{block}\n" in quote.text


def test_a_papers_own_reference_marks_are_left_out() -> None:
    text = "Beam search [13] keeps hypotheses [1, 2] in array[0]."
    quote = quotes.pick(evidence("what does beam search keep?", text), "")
    assert quote is not None and quote.text == "Beam search keeps hypotheses in array[0]."


def test_a_tables_frame_is_left_out() -> None:
    text = "| Pros | Cons |\n|------|------|\n| Fast beam search on any machine at hand | Slow |"
    quote = quotes.pick(evidence("is beam search fast?", text), "")
    assert quote is not None and "---" not in quote.text and "Fast beam search" in quote.text


def test_a_chinese_question_finds_its_english_sentence() -> None:
    text = "Paged optimizers use unified memory. Double quantization saves 0.373 bits. Done here."
    quote = quotes.pick(evidence("双重量化节省多少比特？", text, lang="zh"), "", room=8)
    assert quote is not None and "0.373" in quote.text


def test_an_english_answer_is_not_followed_by_chinese_words_where_there_are_english_ones() -> None:
    chinese = passage(
        1, "LoRA 的 lora_alpha 决定缩放：alpha / r。lora_alpha 越大，更新越大。", lang="zh"
    )
    english = passage(2, "The scale is lora_alpha / r. Rank is r.")
    question = "what does lora_alpha scale?"
    quote = quotes.pick(evidence(question, chinese, english), "")
    assert quote is not None and quote.passage == 1
    assert quotes.pick(evidence(question, chinese), "") is not None, "better than nothing"


def test_length_counts_two_chinese_characters_as_a_word() -> None:
    assert quotes.length("LoRA freezes 0.1% of it") == 5
    assert quotes.length("低秩适配 LoRA") == 3


def test_an_answer_ends_with_the_sources_words(home) -> None:
    answer = answer_of(
        run("what does double quantization save?", FewPassages(DQ), "It saves bits.")[0]
    )
    first, _, quoted = answer.text.partition("\n\nIn the source's words: “")
    assert first == "It saves bits. [1]"
    assert "0.373 bits per parameter" in quoted and quoted.endswith("” [1]")
    assert [c.number for c in answer.citations] == [1]


def test_strong_evidence_is_quoted_when_the_model_misses_it(home) -> None:
    said = "The committee in Paris chose bananas."
    answer = answer_of(run("what does double quantization save?", FewPassages(DQ), said)[0])
    assert answer.covered and answer.unsupported == (said,)
    assert "[?]" in answer.text and "0.373" in answer.text
    weak = run("who chose which fruit for the quantization dinner party?", FewPassages(DQ), said)[0]
    assert not answer_of(weak).covered


def test_a_refusal_is_not_quoted_away(home) -> None:
    answer = answer_of(run("how many cats?", FewPassages(DQ), "NOT COVERED")[0])
    assert not answer.covered and not answer.citations


def test_the_quotation_is_numbered_with_the_other_sources(home) -> None:
    kb = FewPassages(OTHER, passage(2, DQ))
    said = "Beam search keeps the most likely hypotheses."
    answer = answer_of(run("beam search or double quantization of parameters?", kb, said)[0])
    numbers = [c.number for c in answer.citations]
    assert numbers == list(range(1, len(numbers) + 1))
