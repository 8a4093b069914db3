"""Criteria of foundations/bpe: merges and ids as the tokenizers library's byte-level BPE has them."""

from __future__ import annotations

import json
import random
import unicodedata
from collections.abc import Mapping
from functools import cache

from exercises import lab
from exercises.gap import call
from tutor.base.i18n import say

MERGES = 150
AWKWARD = (
    "",
    " ",
    "two  spaces,   three,    four",
    "  leading and trailing   ",
    "tabs\tand\n\n\nnew lines \n at an end\r\n",
    "3.14159 1234567890 0x1F 10,000 ½ ٣",
    "it's, we'll, they'VE, 'quoted' don''t",
    "中文没有空格，标点是全角的。第2章：注意力（attention）",
    "🙂👩‍👩‍👧‍👦🇨🇳 café cafe\u0301 naïve Ω ß ﬁ",
    "def f(x):\n    return x ** 2  # ok\n",
    "\u00a0\u3000\u200b\ufeff\x00\x7f",
    "aaaaaaaaaaaaaaaaaaaaaaaaaa !!!!!!!! --------",
)


@cache
def lessons(lang):
    """Two excerpts of our own lessons: to train on, and held out."""
    text = lab.lessons(lang)
    return text[:8_000], text[-6_000:]


@cache
def symbols():
    """The library writes each byte as a printable character: the way back."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [value for value in range(256) if value not in printable]
    return {chr(value): value for value in printable} | {
        chr(256 + place): value for place, value in enumerate(others)
    }


def to_bytes(token):
    return bytes(symbols()[character] for character in token)


def library(model):
    from tokenizers import Tokenizer, decoders, pre_tokenizers

    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def trained(texts, merges):
    """The library's tokenizer of these texts and its merges as pairs of bytes."""
    from tokenizers import models, pre_tokenizers, trainers

    tokenizer = library(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=256 + merges,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    found = json.loads(tokenizer.to_str())["model"]["merges"]
    return tokenizer, [(to_bytes(left), to_bytes(right)) for left, right in found]


@cache
def reference():
    """The library's tokenizer of both languages."""
    return trained([lessons("en")[0], lessons("zh")[0]], MERGES)


def learn(submission, criterion, texts, merges):
    """The learner's merges as pairs of bytes."""
    learned = call(criterion, submission.train, list(texts), merges)
    assert isinstance(learned, list | tuple), say(
        f"train returns {type(learned).__name__}, not a list of pairs",
        f"train 返回的是 {type(learned).__name__}，而不是由对组成的列表",
    )
    for pair in learned:
        right_kind = isinstance(pair, list | tuple) and len(pair) == 2
        assert right_kind and all(isinstance(token, bytes) for token in pair), say(
            f"train's list holds {pair!r}; a merge is a pair of bytes objects, such as {(b't', b'u')}",
            f"train 的列表里有 {pair!r}；一条合并应是两个 bytes 组成的对，例如 {(b't', b'u')}",
        )
    return [tuple(pair) for pair in learned]


def shown(pair):
    return f"{pair[0]!r} + {pair[1]!r}"


def same_merges(learned, expected, what):
    """The same merges in the same order; what: (en, zh), where they come from."""
    for place, (got, wanted) in enumerate(zip(learned, expected, strict=False), 1):
        assert got == wanted, say(
            f"{what[0]}: merge {place} is {shown(got)}; it must be {shown(wanted)}",
            f"{what[1]}：第 {place} 条合并是 {shown(got)}；应为 {shown(wanted)}",
        )
    assert len(learned) == len(expected), say(
        f"{what[0]}: {len(learned)} merges; it must be {len(expected)}",
        f"{what[1]}：得到 {len(learned)} 条合并；应为 {len(expected)} 条",
    )


def test_words(submission):
    crossing = ["a b a b a b a b xy xy"]  # "a" + " b" would be the most frequent, in no word
    repeated = ["tune"] * 4 + ["tuned"] * 3 + ["tuning"] * 2 + ["untuned"]
    for texts, merges in ((crossing, 2), (repeated, 4)):  # no ties here
        learned = learn(submission, "words", texts, merges)
        text = f"{' '.join(texts)!r}"
        same_merges(learned, trained(texts, merges)[1], (text, text))
    short = learn(submission, "words", ["abc"], 10)
    assert len(short) == 2, say(
        f"asked for 10 merges of 'abc', train returns {len(short)}; after 2 no pair is left",
        f"要求对 'abc' 做 10 次合并，train 返回 {len(short)} 条；做完 2 次就没有可合并的对了",
    )


def test_ties(submission):
    """All pairs here occur equally often, so that only the rule for ties decides."""
    for text in ("zy xw vu ts", "ab ac", "qa pa oa", "aaaaa", " é è ê", "语言 学习", "!a a! A!"):
        expected = trained([text], 6)[1]
        learned = learn(submission, "ties", [text], 6)
        same_merges(learned, expected, (f"all ties in {text!r}", f"{text!r} 中全是并列"))


def test_training(submission, figures):
    for lang, name in (("en", ("English", "英文")), ("zh", ("Chinese", "中文"))):
        text = lessons(lang)[0]
        expected = trained([text], MERGES)[1]
        learned = learn(submission, "training", [text], MERGES)
        equal = sum(got == wanted for got, wanted in zip(learned, expected, strict=False))
        figures[f"equal_merges_{lang}"] = equal
        same_merges(learned, expected, (f"our {name[0]} lessons", f"{name[1]}课文"))


def test_vocabulary(submission):
    tokenizer, merges = reference()
    got = call("vocabulary", submission.vocabulary, list(merges))
    assert isinstance(got, Mapping), say(
        f"vocabulary returns {type(got).__name__}, not a dict from token to id",
        f"vocabulary 返回的是 {type(got).__name__}，而不是从 token 到 id 的字典",
    )
    expected = {to_bytes(token): number for token, number in tokenizer.get_vocab().items()}
    wrong = sorted((t for t in expected if got.get(t) != expected[t]), key=expected.__getitem__)
    example = f"{wrong[0]!r}: {got.get(wrong[0])} ≠ {expected[wrong[0]]}" if wrong else ""
    assert not wrong, say(
        f"{len(wrong)} of {len(expected)} tokens have another id than the library's ({example})",
        f"{len(expected)} 个 token 中有 {len(wrong)} 个的 id 与库不同（{example}）",
    )
    assert len(got) == len(expected), say(
        f"the vocabulary has {len(got)} entries; 256 bytes and {len(merges)} merges make "
        f"{len(expected)}",
        f"词表有 {len(got)} 项；256 个字节加 {len(merges)} 条合并应为 {len(expected)} 项",
    )


def ids_of(submission, criterion, text, merges):
    got = call(criterion, submission.encode, text, list(merges))
    return [int(number) for number in got]


def same_ids(submission, criterion, text, tokenizer, merges):
    expected = tokenizer.encode(text).ids
    got = ids_of(submission, criterion, text, merges)
    if got == expected:
        return len(got)
    places = range(max(len(got), len(expected)))
    place = next(i for i in places if got[i : i + 1] != expected[i : i + 1])
    before = tokenizer.decode(expected[max(0, place - 5) : place])
    wanted = [to_bytes(tokenizer.id_to_token(number)) for number in expected[place : place + 4]]
    raise AssertionError(
        say(
            f"{text[:60]!r}: {len(got)} ids, the library has {len(expected)}; from place {place} on "
            f"(after {before!r}) you have {got[place : place + 4]}, the library "
            f"{expected[place : place + 4]}, that is {wanted}",
            f"{text[:60]!r}：你得到 {len(got)} 个 id，库得到 {len(expected)} 个；从第 {place} 个起"
            f"（在 {before!r} 之后），你是 {got[place : place + 4]}，库是 "
            f"{expected[place : place + 4]}，即 {wanted}",
        )
    )


def test_merge_order(submission):
    """Merges where the longest token that fits is not what BPE gives."""
    from tokenizers import models

    for text, pairs in (
        ("abc abcabc", [("b", "c"), ("a", "b"), ("ab", "c")]),
        ("undone", [("d", "o"), ("u", "n"), ("n", "e"), ("un", "d"), ("do", "ne")]),
        ("aaaaaaa", [("a", "a"), ("aa", "a"), ("aa", "aa")]),
        ("tuneun", [("u", "n"), ("t", "un"), ("tun", "e"), ("e", "un"), ("tun", "eun")]),
    ):
        vocab = {character: number for number, character in enumerate(symbols())}
        for left, right in pairs:
            vocab[left + right] = len(vocab)
        tokenizer = library(models.BPE(vocab=vocab, merges=pairs))
        merges = [(left.encode(), right.encode()) for left, right in pairs]
        same_ids(submission, "merge_order", text, tokenizer, merges)


def test_encoding(submission, figures):
    tokenizer, merges = reference()
    for lang in ("en", "zh"):
        text = lessons(lang)[1]
        count = same_ids(submission, "encoding", text, tokenizer, merges)
        figures[f"characters_per_token_{lang}"] = round(len(text) / count, 3)


def test_awkward(submission):
    tokenizer, merges = reference()
    for text in AWKWARD:
        same_ids(submission, "awkward", text, tokenizer, merges)


def random_text(source, length=60):
    """Characters from all of Unicode, the ones without a meaning too, but no lone surrogates."""
    points = []
    while len(points) < length:
        point = source.choice((source.randrange(0x80), source.randrange(0x3000, 0xA000),
                               source.randrange(0x110000)))  # fmt: skip
        if unicodedata.category(chr(point)) != "Cs":
            points.append(point)
    return "".join(map(chr, points))


def test_round_trip(submission):
    merges = reference()[1]
    source = random.Random(20)
    texts = [*AWKWARD, *(random_text(source) for _ in range(20)), lessons("zh")[1][:2000]]
    for text in texts:
        numbers = ids_of(submission, "round_trip", text, merges)
        back = call("round_trip", submission.decode, numbers, list(merges))
        assert back == text, say(
            f"{text[:40]!r} comes back as {str(back)[:40]!r}",
            f"{text[:40]!r} 编码再解码后变成 {str(back)[:40]!r}",
        )


def test_broken_bytes(submission):
    """The first tokens of an emoji, as a model that was cut off in the middle leaves them."""
    vocab = {to_bytes(token): number for token, number in reference()[0].get_vocab().items()}
    for data in (b"ok \xf0\x9f", b"\x99\x82", "注".encode()[:2] + b"!"):
        numbers = [vocab[bytes([value])] for value in data]
        try:
            back = call("broken_bytes", submission.decode, numbers, list(reference()[1]))
        except UnicodeDecodeError as error:
            raise AssertionError(
                say(
                    f"the tokens of {data!r} make decode raise {error}",
                    f"{data!r} 对应的 token 使 decode 报错：{error}",
                )
            ) from error
        wanted = data.decode("utf-8", errors="replace")
        assert back == wanted, say(
            f"the tokens of {data!r} are decoded to {back!r}; it must be {wanted!r}",
            f"{data!r} 对应的 token 被解码成 {back!r}；应为 {wanted!r}",
        )
