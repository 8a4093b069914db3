"""The lessons of weeks 7, 8 and deployment: one shape in both languages, figures computed again."""

from __future__ import annotations

import math
import re
from functools import cache

import pytest

from curriculum import unit

UNITS = ("week7", "week8", "deployment")
BOTH = ("en", "zh")
HAN = re.compile(r"[\u4e00-\u9fff]")
FENCE = re.compile(r"(?ms)^```(\w*)\n(.*?)^```$")
TEX = re.compile(r"\\[a-zA-Z]{2,}|\$[^$\n]+\$")

LLAMA_7B = 6.738e9
SMOLLM2 = 134_515_008
# Bytes of a block and the weights in it, as ggml lays them out.
BLOCKS = {"Q8_0": (34, 32), "Q4_0": (18, 32), "Q4_1": (20, 32), "Q4_K": (144, 256)}


@cache
def _lesson(name: str, lang: str) -> str:
    path = unit(name).lesson_file(lang)  # type: ignore[arg-type]
    assert path is not None
    return path.read_text("utf-8")


def _plain(name: str, lang: str) -> str:
    return _lesson(name, lang).replace("−", "-")


def _prose(name: str, lang: str) -> str:
    return FENCE.sub("", _lesson(name, lang))


def _snippets(name: str, lang: str) -> list[str]:
    return [code for kind, code in FENCE.findall(_lesson(name, lang)) if kind == "python"]


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def _softmax(logits: tuple[float, ...], temperature: float = 1) -> list[float]:
    weights = [math.exp(z / temperature) for z in logits]
    return [w / sum(weights) for w in weights]


def _stands(text: str, *claims: str) -> None:
    missing = [claim for claim in claims if claim not in text]
    assert not missing, missing


@pytest.mark.parametrize("name", UNITS)
def test_both_languages_have_one_shape(name: str) -> None:
    def shape(lang: str) -> dict[str, list[str]]:
        prose = _prose(name, lang)
        return {
            "headings": re.findall(r"(?m)^(#+) ", prose),
            "fences": [kind for kind, _ in FENCE.findall(_lesson(name, lang))],
            "table rows": ["|" * row.count("|") for row in prose.splitlines() if row[:1] == "|"],
            "numbered": re.findall(r"(?m)^(\d+\. )", prose),
            "bullets": re.findall(r"(?m)^(- )", prose),
            "paragraphs": ["x" for block in prose.split("\n\n") if block.strip()],
        }

    assert shape("en") == shape("zh")
    assert len(re.findall(r"(?m)^## ", _prose(name, "en"))) == 13


@pytest.mark.parametrize("name", UNITS)
def test_a_lesson_has_its_parts_and_its_length(name: str) -> None:
    words = re.findall(r"[A-Za-z][\w’'-]*", _prose(name, "en"))
    assert 1300 <= len(words) <= 2000
    assert len(HAN.findall(_lesson(name, "zh"))) >= 2000
    assert not HAN.search(_lesson(name, "en"))
    for lang, questions, answers in (("en", "Check yourself", "Answers"), ("zh", "自测", "答案")):
        asked, given = _lesson(name, lang).split(f"## {questions}\n")[1].split(f"## {answers}\n")
        numbers = re.findall(r"(?m)^(\d+)\. ", asked)
        assert numbers == [str(n) for n in range(1, 9)]
        assert numbers == re.findall(r"(?m)^(\d+)\. ", given)


@pytest.mark.parametrize("lang", BOTH)
@pytest.mark.parametrize("name", UNITS)
def test_a_lesson_is_written_for_a_terminal(name: str, lang: str) -> None:
    prose = _prose(name, lang)
    assert not re.search(r"</?[a-zA-Z]+>", prose), "HTML"
    assert not TEX.search(prose), "LaTeX"
    assert not re.search(r"/work/|/tmp/", _lesson(name, lang))
    assert re.search(r"[┌└──►│]", _lesson(name, lang)), "a text figure"


@pytest.mark.parametrize("name", UNITS)
def test_snippets_compile_and_are_the_same_in_both_languages(name: str) -> None:
    snippets = _snippets(name, "en")
    assert len(snippets) == 2
    assert snippets == _snippets(name, "zh")
    for number, code in enumerate(snippets, 1):
        compile(code, f"{name}-{number}", "exec")


@pytest.mark.parametrize("name", UNITS)
def test_both_languages_state_the_same_decimals(name: str) -> None:
    """Decimals only: whole numbers are counted differently in the two languages."""

    def decimals(lang: str) -> list[str]:
        text = _plain(name, lang)
        text = re.sub(r"6\.738 billion|67\.38 亿|1\.78 billion|17\.8 亿", "", text)
        return sorted(set(re.findall(r"\d+\.\d+", text)))

    assert decimals("en") == decimals("zh")


@pytest.mark.parametrize("lang", BOTH)
def test_week7_computes_chunks_and_cosines_right(lang: str) -> None:
    text = _plain("week7", lang)
    query = (1, 2, 0)
    for name, vector in (
        ("A = (2, 4, 0)", (2, 4, 0)),
        ("C = (1, 1, 1)", (1, 1, 1)),
        ("B = (2, 0, 1)", (2, 0, 1)),
        ("D = (6, 0, 3) = 3·B", (6, 0, 3)),
    ):
        product = sum(a * b for a, b in zip(query, vector, strict=True))
        cosine = product / math.hypot(*query) / math.hypot(*vector)
        _stands(text, f"| {name} | {product} | {cosine:.3f} |")
    _stands(
        text,
        f"= ceil({(2000 - 32) / (256 - 32):.2f}) = {math.ceil((2000 - 32) / (256 - 32))}\n",
        f"= ceil({(5000 - 50) / 250:.1f}) = {math.ceil((5000 - 50) / 250)}",
        f"{5 * 256:,}",
        f"{5 * 1024:,}",
    )
    assert 3 * 6 + 4 * 8 == 50 and math.hypot(3, 4) * math.hypot(6, 8) == 50


@pytest.mark.parametrize("lang", BOTH)
def test_week7_sizes_indexes_right(lang: str) -> None:
    text = _plain("week7", lang)
    flat = 1_000_000 * 384 * 4
    compared = 1024 + 16 * round(1e6 / 1024)
    _stands(
        text,
        f"**{flat / 1e9:.2f} GB**",
        f"{1024 * 384 * 4 / 1e6:.1f} MB",
        f"64 {'links' if lang == 'en' else '条边'} × 4 B = {(flat + 1e6 * 64 * 4) / 1e9:.2f} GB",
        f"= {1e6 * (48 + 8) / 1e6:.0f} MB",
        f"16·{round(1e6 / 1024)} ≈ {round(compared, -2):,}",
        f"200,000·768·4 = {200_000 * 768 * 4 / 1e6:.0f} MB",
    )
    assert round(1e6 / compared) == 60


@pytest.mark.parametrize("lang", BOTH)
def test_week7_computes_bm25_right(lang: str) -> None:
    text = _plain("week7", lang)
    passages = re.findall(
        r"(?m)^\| ([a-z ]+) \| (\d+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", text
    )
    assert len(passages) == 3
    words = [row[0].split() for row in passages]
    average = sum(map(len, words)) / 3
    for passage, row in zip(words, passages, strict=True):
        scores = []
        for word in ("adapter", "rank"):
            n = sum(word in p for p in words)
            idf = math.log(1 + (3 - n + 0.5) / (n + 0.5))
            _stands(text, f"{idf:.3f}")
            f = passage.count(word)
            norm = 1 - 0.75 + 0.75 * len(passage) / average
            scores.append(idf * f * 2.5 / (f + 1.5 * norm))
        assert int(row[1]) == len(passage)
        assert [float(cell) for cell in row[2:]] == pytest.approx([*scores, sum(scores)], abs=6e-4)


@pytest.mark.parametrize("lang", BOTH)
def test_week7_fuses_and_measures_right(lang: str) -> None:
    text = _plain("week7", lang)
    rows = re.findall(r"(?m)^\| [A-E] \| (\d|–) \| (\d|–) \| .*= ([\d.]+) \|$", text)
    assert len(rows) == 5
    for words, vectors, total in rows:
        expected = sum(1 / (60 + int(rank)) for rank in (words, vectors) if rank != "–")
        assert f"{expected:.5f}" == total
    totals = [float(total) for *_, total in rows]
    assert totals == sorted(totals, reverse=True)
    _stands(
        text,
        f"1/61 + 1/70 = {1 / 61 + 1 / 70:.5f}",
        f"2/63 = {2 / 63:.5f}",
        f"/ 5 = {(1 + 1 / 3 + 1 / 2 + 0 + 1) / 5:.3f}",
        f"√(0.8·0.2/30) = {math.sqrt(0.8 * 0.2 / 30):.3f}",
        f"0.80·0.90 = {80 * 0.9:.0f} %",
        f"(0.5 + 1 + 0 + 0.25)/4 = {1.75 / 4:.3f}",
    )
    error = 1.96 * math.sqrt(0.8 * 0.2 / 30)
    _stands(text, f"±{100 * error:.0f}", f"±{100 * math.sqrt(2) * error:.0f}")


@pytest.mark.parametrize("lang", BOTH)
def test_week8_computes_sft_and_preferences_right(lang: str) -> None:
    text = _plain("week8", lang)
    for difference, row in ((1.2, "| 1.7 | 0.5 | 1.2"), (0.0, "| 1.0 | 1.0 | 0.0"), (-0.4, "-0.4")):
        p = _sigmoid(difference)
        _stands(text, f"{row} | {p:.3f} | {-math.log(p):.3f} |")
    p = _sigmoid(1.0)
    _stands(
        text,
        f"52,000·3/128 = {round(52_000 * 3 / 128):,}",
        f"1,000·15/32 = {round(1000 * 15 / 32)}",
        f"/ 50 = {(40 * 2.5 + 10 * 1.5) / 50:.2f}",
        f"= {15 / 10:.2f}",
        f"{100 * 40 // 50} %",
        f"90/120 = {100 * 90 // 120} %",
        f"2.0 - 0.02·5 = {2.0 - 0.02 * 5:.2f}",
        f"2.6 - 0.02·40 = {2.6 - 0.02 * 40:.2f}",
        f"σ(1.0) = {p:.3f}",
        f"-ln 0.731 = {-math.log(p):.3f}",
        f"6·5/2 = {math.comb(6, 2)}",
        f"ln 2 = {math.log(2):.3f}",
        f"ln(0.9/0.1) = {math.log(9):.2f}",
    )
    assert (math.comb(4, 2), math.comb(9, 2)) == (6, 36)


@pytest.mark.parametrize("lang", BOTH)
def test_week8_tilts_the_reference_right(lang: str) -> None:
    text = _plain("week8", lang)
    reference, rewards = (0.6, 0.3, 0.1), (0, 1, 2)
    policies = []
    for beta in (5, 1, 0.5):
        tilted = [p * math.exp(r / beta) for p, r in zip(reference, rewards, strict=True)]
        policies.append([t / sum(tilted) for t in tilted])
    for i, name in enumerate("abc"):
        cells = " | ".join(f"{policy[i]:.3f}" for policy in policies)
        _stands(text, f"| {name} | {reference[i]:.2f} | {rewards[i]} | {cells} |")
    high, low = (math.log(policies[1][i] / reference[i]) for i in (2, 0))
    _stands(text, f"= {high:.2f}", f"= {low:.2f}", f"{high - low:.2f}")


@pytest.mark.parametrize("lang", BOTH)
def test_week8_computes_dpo_right(lang: str) -> None:
    text = _plain("week8", lang)
    for beta in (0.1, 0.5):
        margin = beta * (3 + 5)
        line = next(row for row in text.splitlines() if row.startswith(f"β = {beta} "))
        p = _sigmoid(margin)
        _stands(line, f"{beta * 3:+.1f}", f"{beta * -5:.1f}", f"margin {margin:.1f}")
        _stands(line, f"σ = {p:.3f}", f"loss = {-math.log(p):.3f}")
        _stands(text, f"{beta}·{1 - p:.3f} = {beta * (1 - p):.3f}")
    pairs = ((3, -5), (2, 1), (0, 2), (-7, -20))
    margins = [0.1 * (chosen - rejected) for chosen, rejected in pairs]
    losses = [-math.log(_sigmoid(m)) for m in margins]
    for (chosen, rejected), margin, loss in zip(pairs, margins, losses, strict=True):
        signs = [f"{x:+d}" if x else "0" for x in (chosen, rejected)]
        _stands(text, f"| {signs[0]} | {signs[1]} | {margin:.1f} | {loss:.3f} |")
    _stands(
        text,
        f"= 3/4 = {sum(m > 0 for m in margins) / 4}",
        f"`rewards/margins` = {sum(margins) / 4:.2f}",
        f"`loss` = {sum(losses) / 4:.3f}",
        f"`rewards/chosen` = {0.1 * sum(c for c, _ in pairs) / 4:.2f}",
        f"`rewards/rejected` = {0.1 * sum(r for _, r in pairs) / 4:.2f}",
        f"{math.exp(7):,.0f}",
        f"0.2·(2 + 3) = {0.2 * 5:.1f}",
    )


@pytest.mark.parametrize("lang", BOTH)
def test_deployment_quantizes_right(lang: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = _plain("deployment", lang)
    weights = (0.31, -0.82, 0.05, 0.47)
    for weight in weights:
        eight, four = (round(weight / (0.82 / top)) for top in (127, 7))
        back = f"{eight} | {eight * 0.82 / 127:.4f} | {four} | {four * 0.82 / 7:.4f} |"
        _stands(text, f"| {weight} | {back}")
    exec(compile(_snippets("deployment", lang)[0], "absmax", "exec"), {})
    assert capsys.readouterr().out == "[48, -127, 8, 73] [0.3099, -0.82, 0.0517, 0.4713]\n"
    outlier = 8.2 / 127
    assert round(0.05 / outlier) == 1
    _stands(
        text,
        f"0.82/127 = {0.82 / 127:.6f}",
        f"{0.82 / 127 / 2:.4f}",
        f"{0.82 / 7 / 2:.4f}",
        f"{outlier:.4f}",
        f"2.05/127 = {2.05 / 127:.4f}",
        f"2.55/255 = {2.55 / 255:.2f}",
        f"{round(1.2 / 0.01) + 50}",
        f"0.5/127 = {0.5 / 127:.6f}",
    )
    codes = [round(x / (0.5 / 127)) for x in (0.2, -0.5, 0.1)]
    assert re.search(r"[,、] ?".join(map(str, codes)), text)


@pytest.mark.parametrize("lang", BOTH)
def test_deployment_counts_bits_and_sizes_right(lang: str) -> None:
    text = _plain("deployment", lang)
    bits = {name: 8 * size / count for name, (size, count) in BLOCKS.items()}
    for name, (size, count) in BLOCKS.items():
        _stands(text, f"| {name} | {count} |", f"{size}·8/{count} = {bits[name]}")
    mixture = ((1_345_388_544, 4.5), (431_554_560, 210 * 8 / 256), (144_896, 32))
    for count, width in mixture:
        line = next(row for row in text.splitlines() if row.strip().startswith(f"{count:,}"))
        assert line.endswith(f"× {width:<6g}  = {count * width / 8e9:.3f} GB"), line
    weights = sum(count for count, _ in mixture)
    _stands(text, f"{sum(c * w for c, w in mixture) / 8e9:.3f} GB")
    _stands(text, f"{1_117_320_768 * 8 / weights:.2f}", f"{105e6 * 8 / SMOLLM2:.1f}")
    small = " | ".join(f"{SMOLLM2 * b / 8e9:.3f}" for b in (16, 8.5, 4.5))
    large = " | ".join(f"{LLAMA_7B * b / 8e9:.1f}" for b in (16, 8.5, 4.5))
    _stands(text, small, large, f"3·8.5/8 = {3 * 8.5 / 8:.2f}", f"4 + 16/64 = {4 + 16 / 64}")
    _stands(text, f"+{100 * (9.73 / 9.69 - 1):.1f} %", f"+{100 * (10.74 / 9.69 - 1):.0f} %")


@pytest.mark.parametrize("lang", BOTH)
def test_deployment_distils_right(lang: str) -> None:
    text = _plain("deployment", lang)
    teacher, student = (4, 2, 0), (2, 2, 0)
    for logits, temperature in ((teacher, 1), (teacher, 4), (student, 4)):
        cells = " | ".join(f"{p:.3f}" for p in _softmax(logits, temperature))
        _stands(text, f"T = {temperature} | {cells} |")
    soft = zip(_softmax(teacher, 4), _softmax(student, 4), strict=True)
    divergence = sum(p * math.log(p / q) for p, q in soft)
    entropy = -math.log(_softmax(student)[0])
    _stands(
        text,
        f"{divergence:.4f}     × T² = 16  →  {16 * divergence:.3f}",
        f"-ln {_softmax(student)[0]:.3f} = {entropy:.3f}",
        f"= {0.7 * 16 * divergence + 0.3 * entropy:.3f}",
    )


@pytest.mark.parametrize("lang", BOTH)
def test_deployment_bounds_speed_and_cost_right(lang: str) -> None:
    text = _plain("deployment", lang)
    for bandwidth in (50, 1000, 3350):
        cells = (f"{bandwidth * 8e9 / LLAMA_7B / b:.1f}" for b in (16, 8.5, 4.5))
        _stands(text, f"{bandwidth:,} GB/s | {' | '.join(cells)} |")
    cache_size = 2 * 32 * 32 * 128 * 2
    _stands(text, f"= {cache_size:,}", f"{2 * LLAMA_7B * 1000 / 1e12:.1f} TFLOP")
    for requests in (1, 16):
        read = LLAMA_7B * 2 / 1e9 + requests * 1000 * cache_size / 1e9
        line = next(row for row in text.splitlines() if f"3350/{read:.1f}" in row)
        _stands(line, f"{requests * 1000 * cache_size / 1e9:.2f}", f"= {3350 / read:.0f} ")
        _stands(line, f"{requests * 3350 / read:,.0f} ")
    for rate, share, form in ((25, 1, ".4f"), (1000, 1, ".5f"), (1000, 0.2, ".4f")):
        _stands(text, f"| {rate:,} | {100 * share:.0f} % | {2 / (3.6 * rate * share):{form}} |")
    _stands(
        text,
        f"× 1.117 GB = {15.6 * 1.117:.1f} GB/s",
        f"{147 / 15.6:.1f}",
        f"{100 * 370 / 800:.0f} %",
        f"{100 * (1 - 300 / 2048):.0f} %",
        f"3/(3.6·500·0.5) = {3 / (3.6 * 500 * 0.5):.4f}",
    )
    pages = math.ceil(300 / 16)
    assert (pages, pages * 16 - 300) == (19, 4)


def test_deployment_block_sizes_are_those_of_gguf() -> None:
    gguf = pytest.importorskip("gguf")
    for name, (size, count) in {**BLOCKS, "Q6_K": (210, 256)}.items():
        kind = gguf.GGMLQuantizationType[name]
        assert gguf.GGML_QUANT_SIZES[kind] == (count, size)


@pytest.mark.needs_shared
def test_figures_stand_in_the_papers(shared) -> None:  # type: ignore[no-untyped-def]
    import pypdfium2

    def page(name: str, number: int) -> str:
        path = shared / "corpus" / "papers" / name
        return pypdfium2.PdfDocument(path)[number - 1].get_textpage().get_text_range()

    rag, rlhf = "2005.11401-rag.pdf", "2203.02155-instructgpt.pdf"
    _stands(page(rag, 6), "RAG-Seq. 44.5", "T5-11B [52] 34.5")
    _stands(page(rag, 8), "70% correctly", "12% with the 2018 index", "31.8 44.1", "44.0 55.8")
    _stands(page(rlhf, 7), "13k training", "33k training", "31k training")
    _stands(page(rlhf, 8), "72.6 ± 1.5%")
    _stands(page(rlhf, 11), "85 ± 3%")
    _stands(page(rlhf, 42), "β = 0.02", "256k episodes")
    _stands(page(rlhf, 52), "72.4±0.4%", "69.6±0.9%")
    _stands(page("2305.11206-lima.pdf", 8), "3.49", "3.33", "3.83")
    _stands(page("2305.18290-dpo.pdf", 9), "approximately 61%", "PPO at 57%")
    _stands(page("2305.18290-dpo.pdf", 20), "batch size of 64", "150 steps", "β = 0.5")
    for lang in BOTH:
        _stands(_plain("week7", lang), "44.5", "34.5", "70 %", "12 %", "31.8")
        _stands(_plain("week8", lang), "13,000", "33,000", "31,000", "72.6 ± 1.5 %", "85 ± 3 %")
        _stands(_plain("week8", lang), "72.4 %", "69.6 %", "3.83", "3.49", "3.33", "61 %", "57 %")
