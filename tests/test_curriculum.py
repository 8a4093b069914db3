"""The curriculum: both languages complete, every link of the plan there, every figure of the
week 5 lesson computed again."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import NormalDist
from urllib.parse import urlsplit

import pytest

from curriculum import ORDER, Unit, unit, units
from exercises.spec import all_exercises
from tutor.base.errors import TutorError
from tutor.base.i18n import Bilingual

LANGUAGES = ("en", "zh")
HAN = re.compile(r"[\u4e00-\u9fff]")

PLAN_LINKS = [
    "https://jalammar.github.io/illustrated-transformer/",
    "https://huggingface.co/learn/nlp-course",
    "https://github.com/datawhalechina/torch-transformers",
    "https://arxiv.org/abs/1810.04805",
    "https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf",
    "https://huggingface.co/docs/peft/index",
    "https://zhuanlan.zhihu.com/p/610674306",
    "https://github.com/dair-ai/Prompt-Engineering-Guide",
    "https://platform.openai.com/docs/guides/prompt-engineering",
    "https://arxiv.org/abs/2005.14165",
    "https://arxiv.org/abs/2201.11903",
    "https://web.stanford.edu/class/cs324/",
    "https://huggingface.co/docs/transformers/index",
    "https://huggingface.co/docs/transformers/training",
    "https://huggingface.co/datasets/imdb",
    "https://github.com/huggingface/notebooks/blob/main/course/en/chapter3/section3.ipynb",
    "https://huggingface.co/blog/how-to-generate",
    "https://github.com/huggingface/notebooks/blob/main/examples/text_generation.ipynb",
    "https://huggingface.co/docs/peft",
    "https://arxiv.org/abs/2305.14314",
    "https://zhuanlan.zhihu.com/p/640898922",
    "https://www.gradio.app/",
    "https://huggingface.co/blog/gradio",
    "https://huggingface.co/docs/transformers/main/en/tasks/retrieval",
    "https://zhuanlan.zhihu.com/p/636471142",
    "https://docs.llamaindex.ai/en/stable/",
    "https://arxiv.org/abs/2305.18290",
    "https://huggingface.co/docs/trl/index",
    "https://github.com/tatsu-lab/stanford_alpaca",
]

# Papers behind the plan's topics that it names without a link.
PAPERS = ("1706.03762", "2106.09685", "2210.03629", "2005.11401", "2203.02155", "2305.11206")

BROWSER_ONLY = ("zhuanlan.zhihu.com", "www.bilibili.com", "platform.openai.com")

# SmolLM2-135M as its GGUF states it, and LLaMA-7B: rows and columns of the linear layers of a block.
SMOLLM2 = [(576, 576)] * 2 + [(576, 192)] * 2 + [(576, 1536)] * 2 + [(1536, 576)]
SMOLLM2_LAYERS = 30
SMOLLM2_PARAMETERS = 134_515_008
LLAMA_7B = [(4096, 4096)] * 4 + [(4096, 11008)] * 2 + [(11008, 4096)]
LLAMA_LAYERS = 32
LLAMA_VOCABULARY = 32_000


def _texts(u: Unit) -> Iterator[Bilingual]:
    yield from (u.title, u.summary, *u.objectives, *u.theory)
    yield from (p.text for p in u.practice)
    for resource in u.resources:
        yield from (resource.title, resource.note)


def _lesson(lang: str) -> str:
    path = unit("week5").lesson_file(lang)  # type: ignore[arg-type]
    assert path is not None
    return path.read_text("utf-8")


def _lora(shapes: list[tuple[int, int]], r: int) -> int:
    return sum(r * (rows + columns) for rows, columns in shapes)


def _nf4() -> list[float]:
    """Build the 16 levels from normal quantiles: 8 above zero, 7 below, and zero itself.

    The outermost quantile leaves out half a bin at each end, averaged over 15 and 16 bins, as
    bitsandbytes' create_normal_map does (QLoRA, section 3 and appendix E).
    """
    outer = 1 - (1 / 32 + 1 / 30) / 2
    quantile = NormalDist().inv_cdf

    def half(count: int) -> list[float]:
        return [quantile(outer + (0.5 - outer) * i / count) for i in range(count)]

    levels = [*half(8), 0.0, *(-x for x in half(7))]
    return sorted(x / max(levels) for x in levels)


@pytest.mark.parametrize("name", ORDER)
def test_a_unit_is_complete(name: str) -> None:
    u = unit(name)
    assert u.number == ORDER.index(name)
    assert 8 <= u.hours <= 12
    assert 4 <= len(u.objectives) <= 7
    assert len(u.theory) >= 5
    assert len(u.practice) >= 3
    assert len(u.resources) >= 5
    assert unit(str(u.number)) is u


@pytest.mark.parametrize("name", ORDER)
def test_every_text_is_in_both_languages(name: str) -> None:
    for text in _texts(unit(name)):
        assert text.en.strip() and text.zh.strip()
        assert text.en != text.zh
        assert HAN.search(text.zh), text.zh
        assert not HAN.search(re.sub(r"'[^']*'", "", text.en)), text.en


@pytest.mark.parametrize("name", ORDER)
def test_resources_have_well_formed_and_unique_links(name: str) -> None:
    urls = [r.url for r in unit(name).resources]
    assert len(urls) == len(set(urls))
    for url in urls:
        parts = urlsplit(url)
        assert parts.scheme == "https" and "." in parts.netloc and parts.path, url
        assert url == url.strip() and " " not in url


@pytest.mark.parametrize("name", ORDER)
def test_reading_leaves_time_for_practice(name: str) -> None:
    u = unit(name)
    assert all(5 <= r.minutes <= 180 for r in u.resources)
    assert sum(r.minutes for r in u.resources) <= 0.7 * 60 * u.hours


def test_pages_that_refuse_programs_say_so() -> None:
    refusing = [r for u in units() for r in u.resources if urlsplit(r.url).netloc in BROWSER_ONLY]
    assert len(refusing) == 5
    for r in refusing:
        assert "browser only" in r.note.en and "只能在浏览器里打开" in r.note.zh
        assert not r.source


def test_every_link_of_the_plan_is_there() -> None:
    urls = {r.url for u in units() for r in u.resources}
    assert not set(PLAN_LINKS) - urls
    assert not {f"https://arxiv.org/abs/{paper}" for paper in PAPERS} - urls


def test_exercises_named_by_the_plan_exist() -> None:
    known = {e.id for e in all_exercises()}
    named = {p.exercise for u in units() for p in u.practice if p.exercise}
    assert {"week5/lora_from_scratch", "week5/lora", "week5/qlora"} <= named
    assert not named - known


def test_an_unknown_unit_names_the_nearest() -> None:
    with pytest.raises(TutorError) as caught:
        unit("wek5")
    assert "week5" in str(caught.value.hint)


@pytest.mark.needs_shared
def test_sources_are_folders_of_the_mirror(shared: Path) -> None:
    folders = {path.name for path in (shared / "corpus").iterdir()}
    named = {r.source for u in units() for r in u.resources if r.source}
    assert named and not named - folders


def test_lesson_has_the_same_parts_in_both_languages() -> None:
    def shape(lang: str) -> dict[str, list[str]]:
        text = _lesson(lang)
        return {
            "headings": re.findall(r"(?m)^(#+) ", text),
            "fences": re.findall(r"(?m)^```(\w*)$", text),
            "table rows": ["|" * line.count("|") for line in text.splitlines() if line[:1] == "|"],
            "numbered": re.findall(r"(?m)^(\d+\. )", text),
            "bullets": re.findall(r"(?m)^(- )", text),
            "paragraph starts": ["x" for block in text.split("\n\n") if block.strip()],
        }

    assert shape("en") == shape("zh")
    assert len(re.findall(r"(?m)^## ", _lesson("en"))) == 12


def test_lesson_is_written_for_a_terminal() -> None:
    for lang in LANGUAGES:
        text = _lesson(lang)
        assert not re.search(r"</?[a-zA-Z]+>", text), "HTML"
        assert not re.search(r"\\[a-zA-Z]{2,}|\$[^$\n]+\$", text), "LaTeX"
    assert 1800 <= len(re.findall(r"[A-Za-z][\w’'-]*", _lesson("en"))) <= 2500
    assert len(HAN.findall(_lesson("zh"))) >= 2500


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", ORDER)
def test_a_lesson_sends_to_each_exercise_of_its_unit(name: str, lang: str) -> None:
    known = {e.id for e in all_exercises()}
    path = unit(name).lesson_file(lang)  # type: ignore[arg-type]
    assert path is not None
    text = path.read_text("utf-8")
    opened = set(re.findall(r"`tutor open (\S+?)`", text))
    assert {e.id for e in all_exercises() if e.unit == name} <= opened <= known
    assert set(re.findall(r"`tutor (?:check|run|hint) (\S+?)`", text)) <= known | set(ORDER)
    assert set(re.findall(rf"`((?:{'|'.join(ORDER)})/\w+)`", text)) <= known


@pytest.mark.parametrize("lang", LANGUAGES)
def test_lesson_counts_parameters_right(lang: str) -> None:
    text = _lesson(lang)
    block = _lora(SMOLLM2, 8)
    total = SMOLLM2_LAYERS * block
    query_value = SMOLLM2_LAYERS * _lora([(576, 576), (576, 192)], 8)
    for number in (
        576 * 576,
        4096 * 4096,
        _lora([(576, 576)], 8),
        _lora([(4096, 4096)], 8),
        _lora([(576, 192)], 8),
        _lora([(576, 1536)], 8),
        block,
        total,
        query_value,
        SMOLLM2_PARAMETERS,
        SMOLLM2_PARAMETERS + total,
        SMOLLM2_LAYERS * _lora([(576, 576)], 8),
        _lora([(1536, 576)], 16),
    ):
        assert f"{number:,}" in text
    for share in (
        _lora([(576, 576)], 8) / 576**2,
        _lora([(4096, 4096)], 8) / 4096**2,
        total / SMOLLM2_PARAMETERS,
        total / (SMOLLM2_PARAMETERS + total),
    ):
        assert f"{100 * share:.2f} %" in text
    assert f"trainable%: {100 * total / (SMOLLM2_PARAMETERS + total):.4f}" in text
    assert f"{total * 4 / 1e6:.1f} MB" in text  # the adapter in fp32


def test_base_size_of_smollm2_follows_from_its_shape() -> None:
    linear = SMOLLM2_LAYERS * sum(rows * columns for rows, columns in SMOLLM2)
    norms = (2 * SMOLLM2_LAYERS + 1) * 576
    assert linear + norms + 49_152 * 576 == SMOLLM2_PARAMETERS


@pytest.mark.parametrize("lang", LANGUAGES)
def test_lesson_counts_memory_right(lang: str) -> None:
    text = _lesson(lang)
    linear = LLAMA_LAYERS * sum(rows * columns for rows, columns in LLAMA_7B)
    rest = 2 * LLAMA_VOCABULARY * 4096 + (2 * LLAMA_LAYERS + 1) * 4096
    adapter = 16 * LLAMA_LAYERS * _lora(LLAMA_7B, 8) / 1e9
    half = 2 * (linear + rest) / 1e9
    nf4 = (linear * (4 + 0.127) / 8 + 2 * rest) / 1e9
    bytes_each = (2, 2, 4, 4, 4)
    assert f"**{sum(bytes_each)}**" in text
    rows = re.findall(r"(?m)^\| .* \| (?:bf16|fp32) \| (\d) \|$", text)
    assert tuple(map(int, rows)) == bytes_each
    for gigabytes in (
        f"{16 * (linear + rest) / 1e9:.1f} GB",
        f"**{16 * (linear + rest) / 1e9:.0f} GB**",
        f"{16 * SMOLLM2_PARAMETERS / 1e9:.2f} GB",
        f"{half:.1f} GB",
        f"{adapter:.2f} GB",
        f"{half + adapter:.1f} GB",
        f"{nf4:.1f} GB",
        f"{nf4 + adapter:.1f} GB",
    ):
        assert gigabytes in text


@pytest.mark.parametrize("lang", LANGUAGES)
def test_lesson_counts_double_quantization_right(lang: str) -> None:
    text = _lesson(lang)
    plain, double = 32 / 64, 8 / 64 + 32 / (64 * 256)
    assert f"8/64 + 32/(64·256) = {double:.3f}" in text
    saved = plain - double
    assert re.search(rf"\*\*[^*]*{saved:.3f} ?(bit|位)", text)
    assert f"× {saved:.3f} / 8 = {65e9 * saved / 8 / 1e9:.1f} GB" in text


@pytest.mark.parametrize("lang", LANGUAGES)
def test_lesson_quantizes_its_example_right(lang: str) -> None:
    text = _lesson(lang).replace("−", "-")
    levels, scale = _nf4(), 0.40
    assert len(levels) == 16 and levels[0] == -1 and levels[7] == 0 and levels[15] == 1
    errors = {"nf4": 0.0, "even": 0.0}
    for weight in (0.10, -0.25, 0.03, 0.40):
        level = min(levels, key=lambda x: abs(x - weight / scale))
        even = round(weight / scale * 7) / 7 * scale
        row = f"| {weight:.2f} | {weight / scale:.3f} | {level:.4f} | {level * scale:.4f} | {even:.4f} |"
        assert row in text
        errors["nf4"] += (weight - level * scale) ** 2
        errors["even"] += (weight - even) ** 2
    assert f"{errors['nf4']:.4f}" in text and f"{errors['even']:.4f}" in text
    low, high = (x for x in levels if 0.24 < x < 0.34)
    assert f"{high:.4f} - {low:.4f} = {high - low:.3f}" in text
    assert f"{(high - low) * scale:.3f}" in text
    # The change of section 6 is rounded away, as the lesson says.
    assert min(levels, key=lambda x: abs(x - (low * scale + 0.005) / scale)) == low


@pytest.mark.parametrize("lang", LANGUAGES)
def test_lesson_computes_scales_and_losses_right(lang: str) -> None:
    text = _lesson(lang)
    assert f"16/√64 = {16 / math.sqrt(64):.0f}" in text
    assert f"ln 49152 = {math.log(49152):.1f}" in text
    fall = rf"{math.exp(2.30):.1f} (to|降到) {math.exp(2.00):.1f}"
    assert re.search(fall, text)
    assert f"{16 / 64:.2f}" in text


def test_peft_counts_what_the_lesson_says() -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = LlamaConfig(
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=SMOLLM2_LAYERS,
        num_attention_heads=9,
        num_key_value_heads=3,
        vocab_size=49152,
        tie_word_embeddings=True,
    )
    with torch.device("meta"):  # shapes only: no memory, no random numbers
        base = LlamaForCausalLM(shape)
    config = LoraConfig(r=8, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(base, config, low_cpu_mem_usage=True)
    trainable, total = model.get_nb_trainable_parameters()
    assert (trainable, total) == (2_442_240, SMOLLM2_PARAMETERS + 2_442_240)
