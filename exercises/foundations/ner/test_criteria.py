"""Criteria of foundations/ner: alignment, spans, entity F1, and a short fine-tuning."""

from __future__ import annotations

import random
from functools import cache

import torch

from exercises import lab
from exercises.foundations import entities
from exercises.foundations.entities import LABELS
from exercises.foundations.gate import Gate
from exercises.gap import call
from tutor.base.i18n import say

quick = Gate()
IGNORED = -100
F1 = 0.7
TRAIN, HELD_OUT = 400, 120
"""Sentences."""

HARD = (
    ["Antananarivo", "University", "hired", "Wojciechowska", "for", "scikit-learn", "."],
    ["B-ORG", "I-ORG", "O", "B-PER", "O", "B-LIB", "O"],
)
"""Words that fall into several pieces, at the beginning too."""


@cache
def tokenizer():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(lab.encoder_folder())


def wanted_labels(words, tags):
    """The grader's own alignment, word by word."""
    labels = [IGNORED]
    for word, tag in zip(words, tags, strict=True):
        pieces = tokenizer()(word, add_special_tokens=False)["input_ids"]
        labels += [LABELS.index(tag)] + [IGNORED] * (len(pieces) - 1)
    return [*labels, IGNORED]


@quick
def test_first_pieces(submission):
    for words, tags in [HARD, *entities.sentences("train", 5, seed=9)]:
        got = call("first_pieces", submission.align, tokenizer(), words, tags)
        ids = [int(i) for i in got["input_ids"]]
        expected = tokenizer()(words, is_split_into_words=True)["input_ids"]
        assert ids == expected, say(
            f"the input of {words} is {tokenizer().convert_ids_to_tokens(ids)}; it must be "
            f"{tokenizer().convert_ids_to_tokens(expected)}",
            f"{words} 的输入是 {tokenizer().convert_ids_to_tokens(ids)}；应为 "
            f"{tokenizer().convert_ids_to_tokens(expected)}",
        )
        labels, wanted = [int(i) for i in got["labels"]], wanted_labels(words, tags)
        pairs = list(zip(tokenizer().convert_ids_to_tokens(ids), labels, wanted, strict=False))
        wrong = [f"{piece}: {a} ≠ {b}" for piece, a, b in pairs if a != b]
        assert len(labels) == len(wanted) and not wrong, say(
            f"{len(labels)} labels for {len(ids)} pieces of {' '.join(words)!r}; wrong are: "
            f"{', '.join(wrong[:4]) or 'none'}",
            f"{' '.join(words)!r} 有 {len(ids)} 个子词、{len(labels)} 个标签；有误的是："
            f"{'，'.join(wrong[:4]) or '无'}",
        )


@quick
def test_padding(submission):
    examples = [
        {"input_ids": [101, 5, 6, 102], "attention_mask": [1] * 4, "labels": [-100, 3, 0, -100]},
        {"input_ids": [101, 7, 102], "attention_mask": [1] * 3, "labels": [-100, 1, -100]},
    ]
    batch = call("padding", submission.collate, tokenizer(), examples)
    for name in ("input_ids", "attention_mask", "labels"):
        assert tuple(batch[name].shape) == (2, 4) and batch[name].dtype == torch.int64, say(
            f"{name} is {tuple(batch[name].shape)}, {batch[name].dtype}; two sentences of 4 and 3 "
            "pieces make (2, 4), torch.int64",
            f"{name} 为 {tuple(batch[name].shape)}、{batch[name].dtype}；两句各 4 个和 3 个子词，"
            "应为 (2, 4)、torch.int64",
        )
        assert batch[name][0].tolist() == examples[0][name], say(
            f"{name} of the longest sentence changed to {batch[name][0].tolist()}",
            f"最长一句的 {name} 变成了 {batch[name][0].tolist()}",
        )
    padding = {name: batch[name][1, 3].item() for name in batch}
    wanted = {"input_ids": tokenizer().pad_token_id, "attention_mask": 0, "labels": IGNORED}
    assert {name: padding[name] for name in wanted} == wanted, say(
        f"the place after the shorter sentence holds {padding}; it must hold {wanted}",
        f"较短一句后面的填充位置是 {padding}；应为 {wanted}",
    )


def reference_spans(tags):
    """Another way to the same sets: a word opens an entity, or belongs to the one before it."""
    found = []
    before = "O"
    for place, tag in enumerate(tags):
        kind = tag[2:]
        if tag != "O":
            if tag[0] == "I" and before[2:] == kind:
                found[-1][2] = place + 1
            else:
                found.append([kind, place, place + 1])
        before = tag
    return {tuple(span) for span in found}


def random_tags(draw, length):
    return draw.choices(LABELS, weights=[4] + [1, 2] * 4, k=length)


def as_set(found):
    return {(str(kind), int(start), int(stop)) for kind, start, stop in found}


@quick
def test_decoding(submission):
    draw = random.Random(1)
    cases = ["B-PER I-PER O B-LOC", "B-PER B-PER I-PER", "O I-ORG I-ORG O", "B-PER I-LOC I-LOC",
             "B-LIB I-LIB", "I-PER B-PER I-PER O", ""]  # fmt: skip
    cases = [case.split() for case in cases] + [random_tags(draw, 12) for _ in range(200)]
    for tags in cases:
        got = as_set(call("decoding", submission.spans, tags))
        wanted = reference_spans(tags)
        assert got == wanted, say(
            f"{' '.join(tags)}: found {sorted(got)}, right is {sorted(wanted)}",
            f"{' '.join(tags)}：得到 {sorted(got)}，应为 {sorted(wanted)}",
        )


def reference_f1(gold, predicted):
    true, guessed = (
        {(i, *span) for i, tags in enumerate(part) for span in reference_spans(tags)}
        for part in (gold, predicted)
    )
    right = len(true & guessed)
    ratios = [(right, len(guessed)), (right, len(true)), (2 * right, len(true) + len(guessed))]
    return [a / b if b else 0.0 for a, b in ratios]


@quick
def test_scores_entities(submission):
    draw = random.Random(2)
    cases = [
        (
            [["B-PER", "I-PER", "O", "B-PER", "O", "B-LOC"]],
            [["B-PER", "O", "O", "B-PER", "O", "O"]],
        ),
        ([["B-PER", "O"], ["O", "O"]], [["O", "O"], ["B-PER", "O"]]),
        ([["B-PER", "B-LOC"]], [["B-ORG", "B-LOC"]]),
        ([["O", "O"]], [["O", "O"]]),
        ([["B-PER"]], [["O"]]),
    ]
    for _ in range(60):
        gold = [random_tags(draw, draw.randint(1, 8)) for _ in range(4)]
        noisy = [[t if draw.random() < 0.7 else draw.choice(LABELS) for t in tags] for tags in gold]
        cases.append((gold, noisy))
    for gold, predicted in cases:
        got = [float(x) for x in call("scores_entities", submission.entity_f1, gold, predicted)]
        wanted = reference_f1(gold, predicted)
        assert len(got) == 3 and all(abs(a - b) < 1e-6 for a, b in zip(got, wanted, strict=True)), (
            say(
                f"truth {gold}, predicted {predicted}: precision, recall, F1 are {rounded(got)}; right "
                f"is {rounded(wanted)}",
                f"真实 {gold}，预测 {predicted}：精确率、召回率、F1 为 {rounded(got)}；应为 "
                f"{rounded(wanted)}",
            )
        )


def rounded(values):
    return ", ".join(f"{value:.3f}" for value in values)


@cache
def pretrained():
    return lab.load_encoder()[0].state_dict()


@quick
def test_model(submission, figures):
    model = call("model", submission.build_model)
    config = model.config
    names = [config.id2label.get(i, "?") for i in range(config.num_labels)]
    assert names == list(LABELS), say(
        f"the model's labels are {names}; they must be {list(LABELS)}",
        f"模型的标签是 {names}；应为 {list(LABELS)}",
    )
    with torch.no_grad():
        out = model(input_ids=torch.tensor([[101, 7592, 102]])).logits
    assert tuple(out.shape) == (1, 3, len(LABELS)), say(
        f"three pieces give logits {tuple(out.shape)}, not (1, 3, {len(LABELS)})",
        f"三个子词得到的 logits 为 {tuple(out.shape)}，应为 (1, 3, {len(LABELS)})",
    )
    own = dict(model.base_model.named_parameters())
    same = [n for n, p in own.items() if torch.equal(p.float(), pretrained()[n].float())]
    figures["pretrained"] = len(same)
    assert len(same) == len(own), say(
        f"{len(own) - len(same)} of the encoder's {len(own)} tensors are not the pre-trained ones",
        f"编码器的 {len(own)} 个张量中有 {len(own) - len(same)} 个不是预训练的权重",
    )
    frozen = [n for n, p in model.named_parameters() if not p.requires_grad]
    assert not frozen, say(
        f"{len(frozen)} tensors are frozen, {frozen and frozen[0]} among them; the whole model is "
        "to be fine-tuned",
        f"有 {len(frozen)} 个张量被冻结，例如 {frozen and frozen[0]}；这里要微调整个模型",
    )


@cache
def untrained():
    """A model whose fresh head has opinions: every label occurs."""
    from transformers import AutoModelForTokenClassification

    torch.manual_seed(6)
    names = dict(enumerate(LABELS))
    model = AutoModelForTokenClassification.from_pretrained(
        lab.encoder_folder(), num_labels=len(LABELS), id2label=names, dtype=torch.float32,
        label2id={name: i for i, name in names.items()},
    )  # fmt: skip
    torch.nn.init.normal_(model.classifier.weight, std=1.0)
    return model


def reference_tags(model, words):
    labels = wanted_labels(words, ["O"] * len(words))
    encoding = tokenizer()(words, is_split_into_words=True, return_tensors="pt")
    with torch.no_grad():
        best = model.eval()(**encoding).logits[0].argmax(dim=-1)
    return [LABELS[i] for i in best[torch.tensor(labels) != IGNORED].tolist()]


@quick
def test_one_tag_a_word(submission):
    for words, _ in [HARD, *entities.sentences("held_out", 8, seed=5)]:
        untrained().train()  # dropout on: predict has to switch it off
        got = list(call("one_tag_a_word", submission.predict, untrained(), tokenizer(), words))
        wanted = reference_tags(untrained(), words)
        assert got == wanted, say(
            f"{len(words)} words, {len(got)} tags: {' '.join(map(str, got))}; the first pieces say "
            f"{' '.join(wanted)}",
            f"{len(words)} 个词、{len(got)} 个标签：{' '.join(map(str, got))}；按首个子词应为 "
            f"{' '.join(wanted)}",
        )


def test_held_out_f1(submission, figures, request):
    quick.require(request)
    torch.manual_seed(12)
    model = call("held_out_f1", submission.build_model)
    train = entities.sentences("train", TRAIN)
    call("held_out_f1", submission.fit, model, tokenizer(), train, seed=1)
    held_out = entities.sentences("held_out", HELD_OUT, seed=31)
    gold = [tags for _, tags in held_out]
    guesses = [
        reference_tags(model, words) for words, _ in held_out
    ]  # not by the learner's predict
    precision, recall, figures["f1"] = reference_f1(gold, guesses)
    figures |= {"precision": precision, "recall": recall}
    assert figures["f1"] >= F1, say(
        f"on {HELD_OUT} sentences with names and templates that it never saw: precision "
        f"{precision:.3f}, recall {recall:.3f}, F1 {figures['f1']:.3f}; {F1} is asked for",
        f"在 {HELD_OUT} 个名字和句式都没见过的句子上：精确率 {precision:.3f}，召回率 {recall:.3f}，"
        f"F1 {figures['f1']:.3f}；要求达到 {F1}",
    )
