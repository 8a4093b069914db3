"""Criteria of week2/tokenizer: equal to what the encoder's own tokenizer does."""

from __future__ import annotations

from functools import cache

import pytest
from transformers import AutoTokenizer

from exercises import lab
from exercises.gap import call
from tutor.base.i18n import say

TEXTS = [
    "A dull film.",
    "",
    "Café reviews: unwatchable!",
    "Neither the overacted dialogue nor the cinematography of this misbegotten sequel survives "
    "a second, or even an uninterrupted first, viewing.",
    "秩 r = 8, naïve and zürich",
]
LONG = TEXTS[3]
WORDS = ["Antidisestablishmentarianism", "in", "Zürich", "isn't", "unwatchable", "!"]
LABELS = [3, 0, 5, 1, 0, 2]
IGNORED = -100


@cache
def reference():
    return AutoTokenizer.from_pretrained(lab.encoder_folder())


def rows_of(value):
    """Return lists of whole numbers, whether the submission made lists, arrays or tensors."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return [row.tolist() if hasattr(row, "tolist") else [int(x) for x in row] for row in value]


def numbers(value):
    return rows_of([value])[0]


def batch_of(submission, criterion, texts, max_length):
    batch = call(criterion, submission.encode_batch, reference(), list(texts), max_length)
    names = sorted(batch) if hasattr(batch, "keys") else []
    if not {"input_ids", "attention_mask"} <= set(names):
        found = names or type(batch).__name__
        pytest.fail(
            say(
                f"{criterion}: encode_batch must return a dictionary with input_ids and "
                f"attention_mask, not {found}",
                f"{criterion}：encode_batch 应返回含 input_ids 和 attention_mask 的字典，"
                f"而不是 {found}",
            )
        )
    return rows_of(batch["input_ids"]), rows_of(batch["attention_mask"])


def shown(ids):
    """The tokens of a row as the learner would print them, not too many."""
    tokens = reference().convert_ids_to_tokens(ids)
    return " ".join(tokens if len(tokens) <= 14 else [*tokens[:6], "…", *tokens[-6:]])


def without_padding(row):
    """The row up to the padding at its end, or its beginning."""
    pad = reference().pad_token_id
    return [token for token in row if token != pad]


def pieces(text):
    return reference()(text, add_special_tokens=False)["input_ids"]


def test_special_tokens(submission):
    ids, _ = batch_of(submission, "special_tokens", TEXTS, 128)
    assert len(ids) == len(TEXTS), say(
        f"{len(TEXTS)} texts gave {len(ids)} rows", f"{len(TEXTS)} 条文本得到了 {len(ids)} 行"
    )
    for text, row in zip(TEXTS, ids, strict=True):
        expected, got = reference()(text)["input_ids"], without_padding(row)
        assert got == expected, say(
            f"{text[:30]!r} became {shown(got)}, and not {shown(expected)}",
            f"{text[:30]!r} 变成了 {shown(got)}，应为 {shown(expected)}",
        )


def test_truncation(submission):
    for limit in (8, 16, 22):
        ids, _ = batch_of(submission, "truncation", TEXTS, limit)
        longest = max(len(row) for row in ids)
        assert longest <= limit, say(
            f"with max_length {limit} a row has {longest} ids",
            f"max_length 为 {limit} 时，有一行长达 {longest} 个 id",
        )
        for text, row in zip(TEXTS, ids, strict=True):
            expected = reference()(text, truncation=True, max_length=limit)["input_ids"]
            got = without_padding(row)
            assert got == expected, say(
                f"cut to {limit}, {text[:20]!r} is {shown(got)}, and not {shown(expected)}",
                f"截断到 {limit} 时，{text[:20]!r} 得到 {shown(got)}，应为 {shown(expected)}",
            )


def test_dynamic_padding(submission, figures):
    pad = reference().pad_token_id
    for texts, limit in ((TEXTS[:3], 64), (TEXTS, 64), (TEXTS, 12), (TEXTS[:1], 64)):
        ids, _ = batch_of(submission, "dynamic_padding", texts, limit)
        lengths = sorted({len(row) for row in ids})
        expected = max(
            len(reference()(text, truncation=True, max_length=limit)["input_ids"]) for text in texts
        )
        figures["padded_to"] = lengths[-1]
        assert lengths == [expected], say(
            f"the longest of {len(texts)} texts has {expected} tokens (max_length {limit}); "
            f"your rows have {', '.join(map(str, lengths))}",
            f"{len(texts)} 条文本中最长的有 {expected} 个 token（max_length {limit}），"
            f"而你的各行长度为 {'、'.join(map(str, lengths))}",
        )
        for row in ids:
            real = len(without_padding(row))
            assert row[real:] == [pad] * (expected - real), say(
                f"the padding of {shown(row)} must be {expected - real} times [PAD] at the end",
                f"{shown(row)} 的填充应是末尾的 {expected - real} 个 [PAD]",
            )


def test_attention_mask(submission):
    ids, mask = batch_of(submission, "attention_mask", TEXTS, 16)
    pad = reference().pad_token_id
    for row, seen in zip(ids, mask, strict=True):
        expected = [int(token != pad) for token in row]
        assert seen == expected, say(
            f"the mask of {shown(row)} is {seen}, and not {expected}",
            f"{shown(row)} 的掩码是 {seen}，应为 {expected}",
        )


def test_head_and_tail(submission):
    all_pieces = pieces(LONG)
    fits = len(all_pieces) + 2
    for limit, head in ((12, 4), (12, 0), (12, 10), (17, 9), (fits, 5), (fits - 1, 5), (64, 3)):
        got = numbers(
            call("head_and_tail", submission.head_and_tail, reference(), LONG, limit, head)
        )
        tail = limit - 2 - head
        kept = all_pieces[:head] + (all_pieces[-tail:] if tail else [])
        kept = all_pieces if len(all_pieces) <= limit - 2 else kept
        expected = [reference().cls_token_id, *kept, reference().sep_token_id]
        assert got == expected, say(
            f"max_length {limit}, head {head}, {len(all_pieces)} pieces: {len(got)} ids, "
            f"{shown(got)}, and not {len(expected)}, {shown(expected)}",
            f"max_length {limit}、head {head}、共 {len(all_pieces)} 个词片：得到 {len(got)} 个 id，"
            f"{shown(got)}；应为 {len(expected)} 个，{shown(expected)}",
        )


def test_windows(submission):
    for text, limit, stride in ((LONG, 12, 3), (LONG, 9, 0), (LONG, 14, 11), ("", 8, 2),
                                (TEXTS[0], 64, 4), (LONG, len(pieces(LONG)) + 2, 3)):  # fmt: skip
        got = rows_of(call("windows", submission.windows, reference(), text, limit, stride))
        expected = reference()(
            text, truncation=True, max_length=limit, stride=stride, return_overflowing_tokens=True
        )["input_ids"]
        assert len(got) == len(expected), say(
            f"{len(pieces(text))} pieces, max_length {limit}, stride {stride}: "
            f"{len(got)} windows, and not {len(expected)}",
            f"{len(pieces(text))} 个词片、max_length {limit}、stride {stride}："
            f"得到 {len(got)} 个窗口，应为 {len(expected)} 个",
        )
        for place, (mine, theirs) in enumerate(zip(got, expected, strict=True), 1):
            assert mine == theirs, say(
                f"window {place} (max_length {limit}, stride {stride}) is {shown(mine)}, "
                f"and not {shown(theirs)}",
                f"第 {place} 个窗口（max_length {limit}、stride {stride}）是 {shown(mine)}，"
                f"应为 {shown(theirs)}",
            )


def test_offsets(submission):
    text = TEXTS[2]
    for part in ("Café", "watch", "reviews: un", "!", text, "atch", " "):
        start = text.index(part)
        end = start + len(part)
        got = numbers(call("offsets", submission.span_to_tokens, reference(), text, start, end))
        offsets = reference()(text, return_offsets_mapping=True)["offset_mapping"]
        expected = [i for i, (a, b) in enumerate(offsets) if a < end and start < b]
        assert got == expected, say(
            f"{part!r}, the characters {start} to {end} of {text!r}, are the tokens {expected}, "
            f"and not {got}",
            f"{part!r}（{text!r} 的第 {start} 到 {end} 个字符）对应 token {expected}，而不是 {got}",
        )


def test_word_labels(submission):
    for words, labels in ((WORDS, LABELS), (WORDS[::-1], LABELS[::-1]), (["a", "a"], [1, 2])):
        encoded = reference()(words, is_split_into_words=True)
        got = numbers(call("word_labels", submission.align_labels, reference(), words, labels))
        ids = encoded.word_ids()
        expected = [
            labels[word] if word is not None and word not in ids[:place] else IGNORED
            for place, word in enumerate(ids)
        ]
        assert got == expected, say(
            f"the tokens {shown(encoded['input_ids'])} want the labels {expected}, and not {got}",
            f"这些 token {shown(encoded['input_ids'])} 的标签应为 {expected}，而不是 {got}",
        )
