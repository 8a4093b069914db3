"""Lessons of the foundations and weeks 1 and 2: both languages alike, every figure computed again."""

from __future__ import annotations

import ast
import inspect
import json
import math
import re
import zipfile
from collections import Counter
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest

from curriculum import unit

UNITS = ("foundations", "week1", "week2")
SECTIONS = {"foundations": 12, "week1": 13, "week2": 13}
LANGUAGES = ("en", "zh")
HAN = re.compile(r"[\u4e00-\u9fff]")
SNIPPET = re.compile(r"(?ms)^```python\n(.*?)^```$")
CORPUS = {"tune": 4, "tuned": 3, "tuning": 2, "untuned": 1}

# As the tables of the paper print them (pages 8, 9, 13, 14, 16).
BERT_FIGURES = (
    "BERTBASE 84.4 88.4 86.7 92.7 88.5; No NSP 83.9 84.9 86.5 92.6 87.9; "
    "LTR & No NSP 82.1 84.3 77.5 92.1 77.8; 80% 10% 10% 84.2 95.4 94.9; 100% 0% 0% 84.3 94.9 94.0; "
    "12 768 12 3.99; BERTBASE 96.4 92.4; Embeddings 91.0; Last Hidden 94.9; "
    "Concat Last Four Hidden 96.1; Batch size: 16, 32; Learning rate (Adam): 5e-5, 3e-5, 2e-5; "
    "Number of epochs: 2, 3, 4; warmup over the first 10,000 steps"
)

Pair = tuple[str, str]


def lesson(name: str, lang: str) -> str:
    path = unit(name).lesson_file(lang)  # type: ignore[arg-type]
    assert path is not None, f"{name} has no lesson in {lang}"
    return path.read_text("utf-8")


def says(name: str, *figures: str) -> None:
    """Assert that the lesson states each figure, in both languages."""
    for lang in LANGUAGES:
        text = lesson(name, lang).replace("−", "-")
        missing = [figure for figure in figures if figure not in text]
        assert not missing, f"{name} ({lang}): {missing}"


def run(name: str, index: int) -> dict[str, Any]:
    """Run a snippet as the reader would; return its variables."""
    variables: dict[str, Any] = {}
    exec(compile(SNIPPET.findall(lesson(name, "en"))[index], name, "exec"), variables)
    return variables


def row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


# --- form ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", UNITS)
def test_both_languages_have_the_same_parts(name: str) -> None:
    def shape(lang: str) -> dict[str, list[str]]:
        text = lesson(name, lang)
        return {
            "headings": re.findall(r"(?m)^(#+) ", text),
            "numbers of sections": re.findall(r"(?m)^## (\d+)\.", text),
            "fences": re.findall(r"(?m)^```(\w*)$", text),
            "table rows": ["|" * line.count("|") for line in text.splitlines() if line[:1] == "|"],
            "numbered": re.findall(r"(?m)^(\d+\. )", text),
            "bullets": re.findall(r"(?m)^(- )", text),
            "paragraphs": ["x" for block in text.split("\n\n") if block.strip()],
        }

    assert shape("en") == shape("zh")
    assert len(re.findall(r"(?m)^## ", lesson(name, "en"))) == SECTIONS[name]


@pytest.mark.parametrize("name", UNITS)
def test_a_lesson_is_whole_and_made_for_a_terminal(name: str) -> None:
    assert 1500 <= len(re.findall(r"[A-Za-z][\w’'-]*", lesson(name, "en"))) <= 2500
    assert len(HAN.findall(lesson(name, "zh"))) >= 2300
    assert not HAN.search(lesson(name, "en"))
    for lang in LANGUAGES:
        text = lesson(name, lang)
        assert not re.search(r"</?[a-zA-Z]+>", text), "HTML"
        assert not re.search(r"\\[a-zA-Z]{2,}|\$[^$\n]+\$", text), "LaTeX"
        sections = re.split(r"(?m)^## .*$", text)
        questions, answers = (re.findall(r"(?m)^(\d)\. ", part) for part in sections[-2:])
        assert questions == answers == [str(i) for i in range(1, 9)]


@pytest.mark.parametrize("name", UNITS)
def test_snippets_compile_and_differ_only_in_comments(name: str) -> None:
    both = [SNIPPET.findall(lesson(name, lang)) for lang in LANGUAGES]
    trees = [[ast.dump(ast.parse(snippet)) for snippet in snippets] for snippets in both]
    assert trees[0] == trees[1] and trees[0]
    for snippet in both[0]:
        compile(snippet, name, "exec")
        assert max(map(len, snippet.splitlines())) <= 100


@pytest.mark.parametrize("name", UNITS)
def test_figures_agree_across_languages(name: str) -> None:
    """Large and decimal numbers are the substance of a lesson: the same set in both."""

    def numbers(text: str) -> Counter[str]:
        return Counter(re.findall(r"\d[\d,]*\.\d+|\d{1,3}(?:,\d{3})+", text))

    here, there = (numbers(lesson(name, other)) for other in LANGUAGES)
    # A number word or 万/亿 may stand in for one of them: dates, corpus sizes.
    assert sum(((here - there) + (there - here)).values()) <= 2


# --- foundations --------------------------------------------------------------------------------


def test_backpropagation_by_hand_is_what_autograd_finds() -> None:
    import torch

    x, y = torch.tensor(2.0), torch.tensor(2.0)
    weights = [torch.tensor(v, requires_grad=True) for v in (0.5, 0.1, 0.8, 0.2)]

    def forward() -> tuple[torch.Tensor, torch.Tensor]:
        w1, b1, w2, b2 = weights
        output = w2 * torch.relu(w1 * x + b1) + b2
        return output, (output - y) ** 2

    output, loss = forward()
    loss.backward()
    first = loss.item()
    gradients = [w.grad.item() for w in weights if w.grad is not None]
    says("foundations", f"= {output.item():.2f}", f"{first:.4f}")
    for name, gradient in zip(("w1", "b1", "w2", "b2"), gradients, strict=True):
        pattern = rf"\| dL/d{name} \| .* \| {gradient:.3f} \|"
        assert re.search(pattern, lesson("foundations", "en").replace("−", "-"))
    says("foundations", f"{2 * gradients[0]:.3f}")  # the second pass adds to .grad
    with torch.no_grad():
        for w, gradient in zip(weights, gradients, strict=True):
            w -= 0.1 * gradient
    output, loss = forward()
    says("foundations", *(f"{w.item():.4f}" for w in weights), f"{output.item():.4f}")
    says("foundations", f"{loss.item():.4f}", f"{100 * (1 - loss.item() / first):.0f} %")


def test_the_missing_lines_do_what_the_table_says() -> None:
    import torch
    from torch import nn

    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = model.weight.detach().clone()
    optimizer.step()  # no backward: .grad is None and the step is skipped
    assert torch.equal(model.weight, before)
    logits = model(torch.ones(3, 2))
    with pytest.raises(RuntimeError, match="scalar"):
        logits.backward(retain_graph=True)
    logits.square().mean().backward()
    with pytest.raises(RuntimeError, match="second time"):
        logits.square().mean().backward()


def test_layers_have_the_stated_sizes() -> None:
    from torch import nn

    def size(module: nn.Module) -> str:
        return f"{sum(p.numel() for p in module.parameters()):,}"

    layers = (nn.Linear(1000, 64), nn.Linear(2000, 64), nn.Conv1d(50, 64, 3), nn.RNN(50, 64))
    says("foundations", *map(size, layers), size(nn.LSTM(50, 64)), f"= {size(nn.Linear(64, 2))}")
    says("foundations", f"= {size(nn.Conv1d(50, 100, 5))}")
    says("foundations", f"0.9⁵⁰ = {0.9**50:.3f}", f"1.1⁵⁰ = {1.1**50:.0f}")
    assert min(n for n in range(1, 20) if 2 * n + 1 >= 20) == 10


def test_softmax_and_cross_entropy_by_hand() -> None:
    logits = (2, 1, -1)
    total = sum(map(math.exp, logits))
    probabilities = [math.exp(z) / total for z in logits]
    for name, z, p in zip("ABC", logits, probabilities, strict=True):
        cells = (name, f"{z}", f"{math.exp(z):.3f}", f"{p:.4f}", f"{-math.log(p):.3f}")
        says("foundations", row(*cells))
    gradient = (probabilities[0] - 1, probabilities[1], probabilities[2])
    says("foundations", f"{total:.3f}", "({:.4f}, {:.4f}, {:.4f})".format(*gradient))
    twice = [math.exp(p) for p in probabilities]
    says("foundations", f"{-math.log(twice[0] / sum(twice)):.3f}")
    says("foundations", f"{-math.log(math.e / (math.e + 2)):.3f}")
    says("foundations", f"ln 10 = {math.log(10):.3f}", f"ln 49152 = {math.log(49152):.1f}")


def _pairs(splits: dict[str, list[str]]) -> Counter[Pair]:
    counts: Counter[Pair] = Counter()
    for word, times in CORPUS.items():
        for pair in zip(splits[word], splits[word][1:], strict=False):
            counts[pair] += times
    return counts


def _merge(pieces: list[str], pair: Pair) -> list[str]:
    merged: list[str] = []
    for piece in pieces:
        if merged and (merged[-1], piece) == pair:
            merged[-1] += piece
        else:
            merged.append(piece)
    return merged


def test_bpe_by_hand() -> None:
    splits = {word: list(word) for word in CORPUS}
    merges: list[Pair] = []
    for step in range(1, 5):
        ranked = _pairs(splits).most_common()
        (pair, count), (_, second) = ranked[:2]
        assert count > second  # no tie decides a merge of the table
        splits = {word: _merge(pieces, pair) for word, pieces in splits.items()}
        merges.append(pair)
        words = ", ".join("·".join(splits[word]) for word in CORPUS)
        for lang in LANGUAGES:
            start = re.escape(f"| {step} | {' + '.join(pair)} | {count} | ")
            rest = rf"[^|]*\b{second} \| {re.escape(words)}"
            assert re.search(start + rest, lesson("foundations", lang))
    assert [n for _, n in _pairs(splits).most_common()].count(2) == 3
    for word, expected in {"untune": "un·tune", "tuneun": "tune·un", "tunes": "tune·s"}.items():
        pieces = list(word)
        for pair in merges:
            pieces = _merge(pieces, pair)
        assert "·".join(pieces) == expected
    says("foundations", "un·tune", "tune·un", f"{256 + 50_000 + 1:,}")


def test_the_library_learns_the_same_merges() -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    options = {"special_tokens": ["[UNK]"], "show_progress": False}
    learned = []
    for model, trainer in (
        (models.BPE(unk_token="[UNK]"), trainers.BpeTrainer(vocab_size=13, **options)),
        (models.WordPiece(unk_token="[UNK]"), trainers.WordPieceTrainer(vocab_size=16, **options)),
    ):
        tokenizer = Tokenizer(model)
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        words = [word for word, times in CORPUS.items() for _ in range(times)]
        tokenizer.train_from_iterator(words, trainer)
        learned.append(json.loads(tokenizer.to_str())["model"])
    merges = " ".join("+".join(pair) for pair in learned[0]["merges"])
    assert merges == "u+n t+un tun+e tune+d i+n"
    assert "##un" in learned[1]["vocab"] and "##ed" not in learned[1]["vocab"]


def test_wordpiece_scores() -> None:
    splits = {word: [word[0], *(f"##{c}" for c in word[1:])] for word in CORPUS}
    single = Counter[str]()
    for word, times in CORPUS.items():
        for piece in splits[word]:
            single[piece] += times
    score = {(a, b): n / (single[a] * single[b]) for (a, b), n in _pairs(splits).items()}
    best = max(score, key=lambda pair: score[pair])
    assert best == ("##e", "##d") and sorted(score.values())[-2] < score[best]
    assert max(_pairs(splits).items(), key=lambda item: item[1])[0] == ("##u", "##n")
    common = score["##u", "##n"]
    says("foundations", f"10/(10·13) = {common:.3f}", f"4/(8·4) = {score[best]:.3f}")


def test_wordpiece_of_the_encoder(minilm: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(minilm)
    assert len(tokenizer) == 30_522
    assert tokenizer.tokenize("tuned") == ["tuned"] and tokenizer.tokenize("🙂") == ["[UNK]"]
    for word in ("untuned", "tokenization", "unaffordable"):
        says("foundations", " + ".join(tokenizer.tokenize(word)))
    text = "Café reviews: unwatchable!"
    encoded = tokenizer(text, return_offsets_mapping=True)
    says("week2", ", ".join(map(str, encoded.input_ids)))
    at = encoded.tokens().index("##watch")
    assert encoded["offset_mapping"][at] == (16, 21) and encoded.word_ids()[at] == 3
    assert text[slice(*encoded["offset_mapping"][1])] == "Café"


def test_attention_by_hand() -> None:
    import torch

    space = run("foundations", 4)
    query, key, value = (space[name][0] for name in "qkv")
    for i in range(3):
        vectors = (", ".join(f"{n:.0f}" for n in m[i].tolist()) for m in (query, key, value))
        says("foundations", row(str(i + 1), *(f"({vector})" for vector in vectors)))
    scores = query @ key.T / 2
    weights = scores.softmax(-1)
    says("foundations", *(f"{w:.4f}" for w in weights.flatten().tolist()))
    says("foundations", "({:.2f}, {:.2f})".format(*(weights @ value)[0].tolist()))
    says("foundations", *(f"{w:.4f}" for w in scores[1, :2].softmax(-1).tolist()))  # causal
    says("foundations", f"{scores[0].exp().sum().item():.3f}")
    says("foundations", f"{100 * torch.tensor([0.0, 8, 16]).softmax(-1)[2].item():.2f} %")


def test_entities_are_scored_right() -> None:
    truth = ["B-PER", "I-PER", "O", "B-PER", "O", "B-LOC"]
    guess = ["B-PER", "O", "O", "B-PER", "O", "O"]
    right = sum(map(str.__eq__, truth, guess))
    says("foundations", " ".join(truth), f"{100 * right / len(truth):.0f} %")
    says("foundations", f"2·1/(2 + 3) = {2 / 5:.2f}", f"2·3/(5 + 4) = {6 / 9:.2f}")
    assert right == 4


@pytest.mark.slow
def test_the_training_loop_ends_where_the_lesson_says(capsys: pytest.CaptureFixture[str]) -> None:
    run("foundations", 1)
    *losses, accuracy = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in losses] == ["0", "20", "199"]
    stated = (2.325, 1.390, 0.106)
    for line, loss in zip(losses, stated, strict=True):
        assert float(line.split()[1]) == pytest.approx(loss, abs=0.02)
        says("foundations", f"{loss:.3f}")
    assert float(re.findall(r"\d\.\d+", accuracy)[0]) == pytest.approx(0.958, abs=0.01)


# --- week 1 -------------------------------------------------------------------------------------


def test_shapes_and_layer_norm() -> None:
    batch, length, width, heads = 8, 128, 768, 12
    scores = batch * heads * length**2
    says("week1", f"{batch * length * width:,}", f"{scores:,}", f"{width**2:,}")
    says("week1", f"{batch * heads * 512**2:,}", f"{2 * 12 * 10 * 10:,}")
    assert batch * heads * 512**2 == 16 * scores

    values = (1, 2, 3, 6)
    centre = mean(values)
    variance = mean((v - centre) ** 2 for v in values)
    normal = [(v - centre) / math.sqrt(variance) for v in values]
    says("week1", f"{variance:.1f}", ", ".join(f"{n:.3f}".replace("0.000", "0") for n in normal))


def test_parameters_of_bert_and_gpt2() -> None:
    d = 768
    attention, ffn, norms = 4 * (d * d + d), 8 * d * d + 5 * d, 4 * d
    block = attention + ffn + norms
    for part in (attention, ffn, norms, 12 * block, d * d + d):
        says("week1", f" {part:,} ")
    words, places = (30_522 * d, 50_257 * d), (512 * d, 1024 * d)
    bert = words[0] + places[0] + 2 * d + 2 * d + 12 * block + d * d + d
    gpt2 = words[1] + places[1] + 12 * block + 2 * d
    says("week1", f"{block:,}", *(f"= {n:,}" for n in (*words, *places)))
    says("week1", f"**{bert:,}**", f"**{gpt2:,}**", f"{gpt2 + words[1]:,}")
    says("week1", f"{100 * ffn / block:.1f} %", f"12d² + 13d = 12·{1024**2:,} + 13·1,024")
    says("week1", f"{12 * 1024**2 + 13 * 1024:,}")
    assert block == 12 * d * d + 13 * d
    assert (bert, gpt2) == _library_counts()[:2]


def _library_counts() -> tuple[int, int, int, int]:
    """Parameters of BERT-base, GPT-2 small, and the classifiers on BERT-base and on MiniLM."""
    import torch
    import transformers as hf

    small = hf.BertConfig(hidden_size=384, num_hidden_layers=6, intermediate_size=1536)
    with torch.device("meta"):  # shapes only
        models = [hf.BertModel(hf.BertConfig()), hf.GPT2LMHeadModel(hf.GPT2Config())]
        models += [hf.BertForSequenceClassification(c) for c in (hf.BertConfig(), small)]
    return tuple(sum(p.numel() for p in model.parameters()) for model in models)  # type: ignore[return-value]


def test_masking_as_the_collator_does_it(minilm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = 0.15 * 512
    says("week1", f"{expected:.1f}", f"{0.8 * expected:.1f}", f"{0.1 * expected:.1f}")
    says("week1", f"{256 * 512:,}", f"{256 * expected:,.0f}", f"{256 * 511:,}")
    run("week1", 1)
    tokens, chosen = map(int, capsys.readouterr().out.split("\n")[0].split())
    assert tokens == 15 and chosen == 1932
    says("week1", f"{chosen:,}", f"{100 * chosen / (13 * 1000):.1f} %")


def test_perplexity_by_hand() -> None:
    losses = [-math.log(p) for p in (0.5, 0.25, 0.125, 0.0625)]
    says("week1", *(f"{loss:.3f}" for loss in losses))
    loss = mean(losses)
    says("week1", f"**{loss:.3f}**", f"exp({loss:.3f}) = {math.exp(loss):.2f}")
    says("week1", f"ln 50257 = {math.log(50257):.2f}", f"{math.exp(3):.1f}", f"{math.exp(2):.1f}")


@pytest.mark.slow
def test_smollm2_does_not_look_ahead(smollm2: Path, capsys: pytest.CaptureFixture[str]) -> None:
    space = run("week1", 2)
    for line in capsys.readouterr().out.splitlines()[:3]:
        word, tokens, _, perplexity = line.split()
        assert tokens == "7"
        assert f"{perplexity} for *{word}*" in lesson("week1", "en")
        assert f"*{word}* {perplexity}" in lesson("week1", "zh")
    paris, rome, _ = space["results"]
    moved = (paris - rome).abs().amax(-1).tolist()
    assert moved[:5] == [0.0] * 5 and moved[5] == pytest.approx(8.75, abs=0.05)
    assert paris[4].softmax(-1).max().item() == pytest.approx(0.77, abs=0.01)


@pytest.mark.needs_shared
def test_figures_of_the_papers(shared: Path) -> None:
    import pypdfium2

    def text(name: str) -> str:
        document = pypdfium2.PdfDocument(shared / "corpus" / "papers" / name)
        return " ".join(page.get_textpage().get_text_range() for page in document)

    bert = " ".join(text("1810.04805-bert.pdf").split())
    for line in BERT_FIGURES.split("; "):
        assert line in bert, line
    gpt2 = text("gpt2-language-models-are-unsupervised-multitask-learners.pdf")
    assert "117M 12 768" in gpt2 and re.search(r"117M 35\.13 .* 29\.41", gpt2)
    assert re.search(r"1542M 8\.63 .* 18\.34", gpt2)
    says("week1", "84.4", "88.4", "84.9", "83.9", "82.1", "87.9", "77.8", "84.3", "94.0", "3.99")
    says("week1", "29.41", "18.34")
    says("week2", "96.4", "96.1", "94.9", "91.0", "2 · 3 · 3 = 18")


# --- week 2 -------------------------------------------------------------------------------------


def test_padding_arithmetic() -> None:
    lengths = (12, 15, 18, 22, 30, 41, 64, 118)
    real = sum(lengths)
    for computed in (8 * 512, 8 * max(lengths), 4 * lengths[3] + 4 * lengths[7]):
        says("week2", f"= {computed:,} | {100 * (computed - real) / computed:.0f} %")
    assert f"{real} in all" in lesson("week2", "en")
    says("week2", f"{100 * (1 - sum((10, 20, 30, 100)) / 400):.0f} %")


def test_heads_and_how_far_weights_move() -> None:
    *_, bert, minilm = _library_counts()
    says("week2", f"{2 * 768 + 2:,} | {bert:,}", f"{2 * 384 + 2:,} | {minilm:,}")
    says("week2", f"{100 * 1538 / bert:.4f} %", f"ln 2 = {math.log(2):.3f}", f"{5 * 768 + 5:,}")
    says("week2", f"2e-5 · 2,112 / 2 = {2e-5 * 2112 / 2:.3f}")


def test_schedule_arithmetic() -> None:
    import torch
    from transformers import TrainingArguments, get_linear_schedule_with_warmup

    steps = 3 * math.ceil(22_500 / 32)
    warmup = TrainingArguments("unused", warmup_steps=0.1).get_warmup_steps(steps)
    says("week2", f"{steps // 3}", f"{steps:,}", f"{warmup} ")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2e-5)
    schedule = get_linear_schedule_with_warmup(optimizer, warmup, steps)
    rates = [schedule.lr_lambdas[0](step) * 2e-5 for step in (0, 53, 106, 212, 1162, 2112)]
    assert rates == pytest.approx([0, 5e-6, 1e-5, 2e-5, 1e-5, 0])
    says("week2", "| 0 | 5e-6 | 1e-5 | 2e-5 | 1e-5 | 0 |")
    middle = [3e-5 * share for share in (50 / 100, (1100 - 600) / 1000)]
    assert middle == pytest.approx([1.5e-5, 1.5e-5])


def test_f1_and_standard_errors() -> None:
    tp, fn, fp, tn = 60, 40, 20, 880
    f1, other = 2 * tp / (2 * tp + fn + fp), 2 * tn / (2 * tn + fn + fp)
    says("week2", f"= **{(tp + tn) / 1000:.2f}**", f"= **{f1:.3f}**", f"{other:.3f}")
    says("week2", f"60/80 = {tp / (tp + fp):.2f}", f"60/100 = {tp / (tp + fn):.2f}")
    says("week2", f"{(f1 + other) / 2:.3f}", f"60/(60 + 10 + 20) = {60 / 90:.3f}")
    for n in (200, 1000, 25_000):
        says("week2", f"{math.sqrt(0.9 * 0.1 / n):.4f}")


def test_seeds_and_curve_are_summed_up_right() -> None:
    right = (352, 334, 357, 344, 341)  # of 500 sentences, seeds 0 to 4
    shares = [100 * n / 500 for n in right]
    for lang in LANGUAGES:
        assert re.search("[,、] ?".join(f"{s:.1f}" for s in shares), lesson("week2", lang))
    says("week2", f"{mean(shares):.1f}", f"{stdev(shares):.1f}")
    says("week2", f"{max(shares) - min(shares):.1f}")
    validation = re.findall(r"(?m)^\| \d \| [\d.]+ \| [\d.]+ % \| (\S+) \|", lesson("week2", "en"))
    losses = [float(cell.strip("*")) for cell in validation]
    assert len(losses) == 6 and validation[losses.index(min(losses))].startswith("**")


def test_renamed_arguments_of_transformers_5(tmp_path: Path) -> None:
    from transformers import Trainer, TrainingArguments

    known = set(inspect.signature(TrainingArguments.__init__).parameters)
    table = re.findall(r"(?m)^\| `(\w+)=[^`]*` \| (?:`(\w+)=)?", lesson("week2", "en"))
    assert len(table) == 5
    for then, now in table:
        assert then not in known and (not now or now in known)
        with pytest.raises(TypeError, match=then):
            TrainingArguments(str(tmp_path), **{then: True})
    trainer = inspect.signature(Trainer.__init__).parameters
    assert "tokenizer" not in trainer and "processing_class" in trainer
    says("week2", "`Trainer(tokenizer=…)`", "`Trainer(processing_class=…)`")
    default = TrainingArguments(str(tmp_path))
    assert (default.learning_rate, default.per_device_train_batch_size) == (5e-5, 8)
    assert (default.num_train_epochs, default.warmup_steps) == (3, 0)
    assert default.lr_scheduler_type == "linear"
    with pytest.raises(ValueError, match="load_best_model_at_end"):
        TrainingArguments(str(tmp_path), load_best_model_at_end=True, eval_strategy="epoch")


def test_the_mask_matters(minilm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("week2", 0)
    masked, unmasked = re.findall(r"tensor\(([\d.e-]+)\)", capsys.readouterr().out.splitlines()[-1])
    assert float(masked) < 1e-5
    assert float(unmasked) == pytest.approx(0.35, abs=0.01)


@pytest.mark.slow
def test_trainer_runs_and_beats_the_start(
    minilm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    space = run("week2", 1)
    history = [entry for entry in space["trainer"].state.log_history if "eval_loss" in entry]
    assert history[0]["eval_loss"] == pytest.approx(math.log(2), abs=0.02)
    best = space["trainer"].evaluate()
    assert best["eval_loss"] < 0.6 and best["eval_accuracy"] >= 14 / 18


@pytest.mark.slow
@pytest.mark.needs_shared
def test_what_truncation_costs(shared: Path, minilm: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(minilm)
    with zipfile.ZipFile(shared / "datasets" / "nltk" / "movie_reviews.zip") as archive:
        names = [n for n in archive.namelist() if re.search(r"/(pos|neg)/.*\.txt$", n)]
        texts = [archive.read(n).decode("utf-8", "replace") for n in names]
    lengths = [len(ids) for ids in tokenizer(texts)["input_ids"]]
    assert len(lengths) == 2000
    kept = sum(min(n, 256) for n in lengths) / sum(lengths)
    over = [sum(n > limit for n in lengths) / 2000 for limit in (256, 512)]
    says("week2", f"{mean(lengths):.0f} ", f"{100 * kept:.1f} %")
    for share in over:
        says("week2", f"{math.floor(1000 * share + 0.5) / 10:.1f} %")
