"""The lessons of weeks 3, 4 and 6: both languages of one shape, every figure computed again."""

from __future__ import annotations

import math
import random
import re
from functools import cache
from itertools import accumulate, product
from math import comb

import pytest

from curriculum import unit

WEEKS = ("week3", "week4", "week6")
BOTH = ("en", "zh")
HAN = re.compile(r"[\u4e00-\u9fff]")
FENCE = re.compile(r"(?ms)^```(\w*)\n(.*?)^```$")

# Tokens per second on two cores, as docs and lesson state them.
PROMPT_135M, GENERATE_135M = 1300, 109
PROMPT_1B, GENERATE_1B, GIGABYTES_1B = 147, 15.6, 1.117
SMOLLM2_PARAMETERS = 134_515_008
LLAMA_7B_PARAMETERS = 6.738e9


@cache
def _lesson(week: str, lang: str) -> str:
    path = unit(week).lesson_file(lang)  # type: ignore[arg-type]
    assert path is not None
    return path.read_text("utf-8")


def _plain(week: str, lang: str) -> str:
    return _lesson(week, lang).replace("−", "-")


def _prose(week: str, lang: str) -> str:
    return FENCE.sub("", _lesson(week, lang))


def _snippets(week: str, lang: str) -> list[str]:
    return [code for name, code in FENCE.findall(_lesson(week, lang)) if name == "python"]


def _softmax(logits: list[float], temperature: float = 1) -> list[float]:
    weights = [math.exp(z / temperature) for z in logits]
    return [w / sum(weights) for w in weights]


def _kept_by_top_p(probabilities: list[float], p: float) -> int:
    return next(i for i, total in enumerate(accumulate(probabilities), 1) if total >= p)


def _majority(p: float, votes: int) -> float:
    """Chance that more than half of the independent votes are right."""
    need = votes // 2 + 1
    return sum(comb(votes, k) * p**k * (1 - p) ** (votes - k) for k in range(need, votes + 1))


def _plurality(shares: list[float], votes: int) -> float:
    """Chance that the first answer leads the vote; ties are broken evenly."""
    total = 0.0
    for ballot in product(range(len(shares)), repeat=votes):
        counts = [ballot.count(answer) for answer in range(len(shares))]
        leaders = counts.count(max(counts))
        if counts[0] == max(counts):
            total += math.prod(shares[answer] for answer in ballot) / leaders
    return total


def _resampled_means(values: list[int]) -> list[float]:
    rng = random.Random(0)
    return sorted(sum(rng.choices(values, k=len(values))) / len(values) for _ in range(10_000))


def _cache_bytes(layers: int, kv_heads: int, head_size: int) -> int:
    return 2 * layers * kv_heads * head_size * 2


@pytest.mark.parametrize("week", WEEKS)
def test_both_languages_have_one_shape(week: str) -> None:
    def shape(lang: str) -> dict[str, list[str]]:
        text = _lesson(week, lang)
        prose = _prose(week, lang)
        return {
            "headings": re.findall(r"(?m)^(#+) ", prose),
            "fences": [name for name, _ in FENCE.findall(text)],
            "table rows": ["|" * row.count("|") for row in prose.splitlines() if row[:1] == "|"],
            "numbered": re.findall(r"(?m)^(\d+\. )", prose),
            "bullets": re.findall(r"(?m)^(- )", prose),
            "paragraphs": ["x" for block in prose.split("\n\n") if block.strip()],
        }

    assert shape("en") == shape("zh")
    assert len(re.findall(r"(?m)^## ", _prose(week, "en"))) >= 10


@pytest.mark.parametrize("week", WEEKS)
def test_a_lesson_has_its_parts_and_its_length(week: str) -> None:
    words = re.findall(r"[A-Za-z][\w’'-]*", _prose(week, "en"))
    assert 1500 <= len(words) <= 2500
    assert len(HAN.findall(_lesson(week, "zh"))) >= 2000
    assert not HAN.search(_lesson(week, "en"))
    for lang, questions, answers in (
        ("en", "Check yourself", "Answers"),
        ("zh", "自测", "答案"),
    ):
        text = _lesson(week, lang)
        asked, given = text.split(f"## {questions}\n")[1].split(f"## {answers}\n")
        assert asked.count("\n1. ") == given.count("\n1. ") == 1
        numbers = re.findall(r"(?m)^(\d+)\. ", asked)
        assert len(numbers) == 8 and numbers == re.findall(r"(?m)^(\d+)\. ", given)


@pytest.mark.parametrize("lang", BOTH)
@pytest.mark.parametrize("week", WEEKS)
def test_a_lesson_is_written_for_a_terminal(week: str, lang: str) -> None:
    prose = _prose(week, lang)
    assert not re.search(r"</?[a-zA-Z]+>", prose), "HTML"
    assert not re.search(r"\\[a-zA-Z]{2,}|\$[^$\n]+\$", prose), "LaTeX"
    assert not re.search(r"/work/|/tmp/", _lesson(week, lang))


@pytest.mark.parametrize("week", WEEKS)
def test_snippets_compile_and_are_the_same_in_both_languages(week: str) -> None:
    snippets = _snippets(week, "en")
    assert len(snippets) >= 3
    assert snippets == _snippets(week, "zh")
    for number, code in enumerate(snippets, 1):
        compile(code, f"{week}-{number}", "exec")


@pytest.mark.parametrize("lang", BOTH)
def test_week3_computes_losses_right(lang: str) -> None:
    text = _plain("week3", lang)
    targets = (0.5, 0.25, 0.125)
    for p in targets:
        assert f"| {p:.3f} | {-math.log(p):.3f} |" in text
    loss = -sum(map(math.log, targets)) / 3
    assert f"exp({loss:.3f}) = {math.exp(loss):.1f}" in text
    assert f"ln 100 = {math.log(100):.2f}" in text
    again = (2 * math.log(2) + 2 * math.log(8)) / 4
    assert f"/ 4 = {again:.3f}" in text


def test_week3_shift_snippet_prints_what_the_lesson_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shift = next(code for code in _snippets("week3", "en") if "labels=ids" in code)
    exec(compile(shift, "shift", "exec"), {})
    from_model, by_hand = map(float, capsys.readouterr().out.split())
    assert from_model == pytest.approx(by_hand, abs=1e-5)
    for lang in BOTH:
        assert f"{from_model:.2f}" in _lesson("week3", lang)


@pytest.mark.parametrize("lang", BOTH)
def test_week3_computes_temperature_and_cuts_right(lang: str) -> None:
    text = _plain("week3", lang)
    for temperature, kept in ((0.5, 2), (1, 3), (2, 4)):
        p = _softmax([4, 3, 2, 1, 0], temperature)
        cells = " | ".join(f"{x:.3f}" for x in p)
        odds = f"{math.exp(1 / temperature):.2f}"
        assert f"| {temperature} | {cells} | {odds} |" in text
        assert _kept_by_top_p(p, 0.9) == kept
        sums = [f"{x:.3f}" for x in accumulate(p)][:kept]
        assert re.search("[,、 ]+".join(map(re.escape, sums)), text), sums
    top3 = _softmax([4, 3, 2])
    assert re.search("[,、 ]+".join(f"{x:.3f}" for x in top3), text)


@pytest.mark.parametrize("lang", BOTH)
def test_week3_computes_the_beam_right(lang: str) -> None:
    text = _plain("week3", lang)
    tree = {"sky": (0.5, (0.40, 0.35, 0.25)), "sea": (0.4, (0.80, 0.15, 0.05))}
    for name, (first, seconds) in tree.items():
        assert f"{name} {first:.2f}" in text
        assert sum(seconds) == pytest.approx(1)
        for second in seconds:
            assert re.search(rf"{second:.2f} .*{first * second:.3f}", text)
    assert f"{0.5 * 0.4:.3f}   <-" in text and f"{0.4 * 0.8:.3f}   <-" in text
    for total, tokens in ((-1.8, 3), (-3.0, 6)):
        cells = f"| {total} | {tokens} | {total} | {total / tokens:.2f} | {total / tokens**2:.3f} |"
        assert cells in text
    assert f"{-2.0 / 4:.2f}" in text and f"{-2.4 / 6:.2f}" in text


@pytest.mark.parametrize("lang", BOTH)
def test_week3_computes_penalties_right(lang: str) -> None:
    text = _plain("week3", lang)
    assert f"2.0 / 1.2 =  {2 / 1.2:.3f}" in text
    assert f"-2.0 × 1.2 = {-2 * 1.2:.3f}" in text
    assert f"{-2 / 1.2:.3f}" in text
    assert _softmax([3, 2]) == pytest.approx(_softmax([0.5, -0.5]))
    for share in (_softmax([3, 2])[0], _softmax([3, 2])[1]):
        assert f"{share:.3f}" in text
    assert f"{_softmax([3 / 1.5, 2])[0]:.2f}" in text
    assert f"{0.5 / 1.5:.3f}" in text
    assert f"{_softmax([0.5 / 1.5, -0.5])[0]:.2f}" in text
    assert f"{-1.0 * 1.25}" in text and f"{-1.0 / 1.25}" in text


def test_week3_penalty_is_that_of_transformers() -> None:
    import torch
    from transformers import RepetitionPenaltyLogitsProcessor

    scores = torch.tensor([[2.0, -2.0, 1.0]])
    out = RepetitionPenaltyLogitsProcessor(1.2)(torch.tensor([[0, 1]]), scores)
    assert out[0].tolist() == pytest.approx([2 / 1.2, -2.4, 1.0])


@pytest.mark.parametrize("lang", BOTH)
def test_week3_counts_cache_and_windows_right(lang: str) -> None:
    text = _plain("week3", lang)
    without, cached = sum(20 + step for step in range(200)), 20 + 199
    assert f"= {without:,}" in text and f"20 + 199 = {cached}" in text
    assert f"{without / cached:.0f}" in text
    for stride in (4, 2):
        context: list[int] = []
        for begin in range(0, 10, stride):
            end = min(begin + 4, 10)
            context += [at - begin for at in range(len(context), end)]
            if end == 10:
                break
        assert " ".join(map(str, context)) in text
        assert f"{sum(context) / 10:.1f}" in text


@pytest.mark.parametrize("lang", BOTH)
def test_week4_computes_votes_right(lang: str) -> None:
    text = _plain("week4", lang)
    for p in (0.4, 0.6, 0.7):
        cells = " | ".join(f"{_majority(p, votes):.3f}" for votes in (1, 5, 21))
        assert f"| {p} | {cells} |" in text
    assert f"10·0.6^3·0.4^2 = {_majority(0.6, 5):.3f}" in text
    assert f"{_plurality([0.4] + [0.1] * 6, 5):.3f}" in text


@pytest.mark.parametrize("lang", BOTH)
def test_week4_computes_differences_and_means_right(lang: str) -> None:
    text = _plain("week4", lang)
    rows = re.findall(r"(?m)^\| [\w. -]+ \| ([\d.]+) \| ([\d.]+) \| ([+-][\d.]+) \|$", text)
    assert len(rows) == 6
    for standard, chain, difference in rows:
        assert f"{float(chain) - float(standard):+.1f}" == difference
    plain = (2 * 4 + 17 * 5 + 5 * 6) / 24
    flipped = (2 * 3 + 10 * 4 + 10 * 5 + 2 * 6) / 24
    assert f"{plain:.1f}" in text and f"{flipped:.1f}" in text
    assert 8 + 16 + 22 + 54 == 100
    assert f"{17 * 64:,}" in text and str(1088 * 10) in text
    assert f"{8 * 60}" in text and f"{1000 * 8 * 60:,}" in text
    assert str(5 * 12 - 7) in text


@pytest.mark.parametrize("lang", BOTH)
def test_week4_computes_intervals_right(lang: str) -> None:
    text = _plain("week4", lang)
    error = math.sqrt(0.8 * 0.2 / 100)
    assert f"√(0.8·0.2/100) = {error:.2f}" in text
    assert f"{80 - 196 * error:.1f} %" in text and f"{80 + 196 * error:.1f} %" in text
    drawn = _resampled_means([1] * 80 + [0] * 20)
    assert f"{100 * drawn[250]:.0f} %" in text and f"{100 * drawn[9_749]:.0f} %" in text
    paired = _resampled_means([1] * 10 + [-1] * 6 + [0] * 84)
    low, high = f"{paired[250]:.2f}", f"{paired[9_749]:.2f}"
    assert re.search(rf"{low} (and|和) {high}", text)
    assert f"1.96²·0.16/0.03² = {1.96**2 * 0.16 / 0.03**2:.0f}" in text
    small = math.sqrt(0.8 * 0.2 / 20)
    assert f"√(0.8·0.2/20) = {small:.3f}" in text and f"{1.96 * small:.3f}" in text


@pytest.mark.needs_shared
def test_week4_figures_stand_in_the_papers(shared) -> None:  # type: ignore[no-untyped-def]
    import pypdfium2

    def page(name: str, number: int) -> str:
        path = shared / "corpus" / "papers" / name
        return pypdfium2.PdfDocument(path)[number - 1].get_textpage().get_text_range()

    chain = page("2201.11903-chain-of-thought.pdf", 21)
    react = page("2210.03629-react.pdf", 5) + page("2210.03629-react.pdf", 6)
    text = _plain("week4", "en")
    for row in ("350M 2.2 0.5", "6.7B 4.0 2.4", "8B 3.2 1.6", "62B 9.6 29.9"):
        assert row in chain
        size, standard, steps = row.split()
        assert re.search(rf"{size} \| {standard} \| {steps} \|", text)
    for row in ("CoT-SC (Wang et al., 2022a) 33.4 60.4", "Act 25.7 58.9", "ReAct 27.4 60.9"):
        assert row in react
        assert " | ".join(row.split()[-2:]) in text
    for share in ("47%", "23%", "56%"):
        assert share in react and share.replace("%", " %") in text


@pytest.mark.parametrize("lang", BOTH)
def test_week6_computes_sizes_right(lang: str) -> None:
    text = _plain("week6", lang)
    half = 2 * SMOLLM2_PARAMETERS / 1e6
    assert f"{half:.0f} MB" in text
    assert f"{10 * half / 1e3:.2f} GB" in text
    assert f"{(half + 10 * 9.8) / 1e3:.2f} GB" in text
    assert f"= {round(half) + 20 * 9.8:.0f} MB" in text
    assert f"= {20 * round(half):,} MB" in text
    for bits in (32, 16, 4.5):
        assert f"{LLAMA_7B_PARAMETERS * bits / 8 / 1e9:.1f} GB" in text
    assert f"{100 * (10.74 / 9.69 - 1):.0f} %" in text


@pytest.mark.parametrize("lang", BOTH)
def test_week6_rounds_to_half_precision_right(lang: str) -> None:
    import torch

    text = _plain("week6", lang)
    before, after = torch.tensor(0.1), torch.tensor(0.1002)
    assert before.bfloat16() == after.bfloat16()
    assert f"{before.bfloat16().item():.5f}" in text
    assert before.half() != after.half()
    assert f"{after.half().item():.5f}" in text
    assert f"{2**-4 * 2**-7:.5f}" in text and f"{2**-4 * 2**-10:.5f}" in text


@pytest.mark.parametrize("lang", BOTH)
def test_week6_computes_the_cache_right(lang: str) -> None:
    text = _plain("week6", lang)
    for shape, unit_size, form in (
        ((30, 3, 64), 1e6, "{:.1f} MB"),
        ((32, 32, 128), 1e9, "{:.2f} GB"),
        ((32, 8, 128), 1e9, "{:.2f} GB"),
    ):
        per_token = _cache_bytes(*shape)
        assert re.search(rf"= +{per_token:,}\n", text)
        cells = [form.format(per_token * n / unit_size) for n in (2048, 4096, 8192)]
        assert f"| {' | '.join(cells)} |" in text
    assert f"{4 * 4096 * _cache_bytes(32, 32, 128) / 1e9:.1f} GB" in text
    assert f"= {1000 * _cache_bytes(32, 32, 128) / 1e9:.2f} GB" in text


@pytest.mark.parametrize("lang", BOTH)
def test_week6_computes_waiting_times_right(lang: str) -> None:
    text = _plain("week6", lang)
    assert 200 + 600 + 40 == 840
    read, write = 840 / PROMPT_1B, 200 / GENERATE_1B
    total = read + write
    small = 840 / PROMPT_135M + 200 / GENERATE_135M
    bandwidth = GENERATE_1B * GIGABYTES_1B
    for claim in (
        f"840/147 = {read:.1f} s",
        f"200/15.6 = {write:.1f} s",
        f"{total:.1f} s",
        f"840/1300 = {840 / PROMPT_135M:.1f} s",
        f"200/109 = {200 / GENERATE_135M:.1f} s",
        f"{small:.1f} s",
        f"40/147 = {40 / PROMPT_1B:.1f} s",
        f"= {bandwidth:.1f} GB/s",
        f"17.4/3.8 = {17.4 / 3.8:.1f} ",
        f"4 × 18.5 = {4 * 18.5:.0f} s",
        f"512/15.6 = {512 / GENERATE_1B:.0f} s",
        f"294/147 = {294 / PROMPT_1B:.1f} s",
        f"78/15.6 = {78 / GENERATE_1B:.1f} s",
        f"{2048 - 512:,}",
    ):
        assert claim in text, claim


def test_week6_trims_as_the_lesson_says(
    home: object, smollm2: object, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("llama_cpp")
    trim = next(code for code in _snippets("week6", "en") if "def fit(" in code)
    exec(compile(trim, "trim", "exec"), {})
    out = capsys.readouterr().out
    assert "12 -> 6 messages, 179 tokens; Question 4" in out
    assert all("179" in _lesson("week6", lang) for lang in BOTH)


def test_week6_refuses_at_the_first_piece(home: object, smollm2: object) -> None:
    pytest.importorskip("llama_cpp")
    source = next(code for code in _snippets("week6", "en") if "LIMITS" in code)
    names: dict[str, object] = {}
    exec(compile(source.split("start = ")[0], "stream", "exec"), names)
    stream = names["stream"]
    unread = stream([], temperature=9)  # type: ignore[operator]
    with pytest.raises(ValueError, match=r"between 0\.0 and 1\.5, not 9"):
        next(unread)
    question = [{"role": "user", "content": "Count to one hundred."}]
    running = stream(question, temperature=0.2, max_tokens=200)  # type: ignore[operator]
    assert next(running) == ""  # the role comes first, without text
    assert next(running)
    running.close()
    assert next(running, None) is None
