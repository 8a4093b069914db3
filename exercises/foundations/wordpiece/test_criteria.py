"""Criteria of foundations/wordpiece: words, pieces and ids as BERT's uncased tokenizer has them."""

from __future__ import annotations

import json
from functools import cache

from exercises import lab
from exercises.gap import call
from tutor.base import assets
from tutor.base.i18n import say

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
AWKWARD = (
    "",
    "   ",
    "Hello,World!!! (it's 3.14% of $1,000^2 ~ a|b <c> `d` e=f+g)",
    "Ångström CAFÉ naïve façade Đặng İstanbul ﬁnance ½ ①",
    "深度学习很有趣。第2章：Attention（注意力）!",
    "ひらがな カタカナ 한국어 漢字かな交じり文",
    "🙂 👩‍👩‍👧 a🙂b ❤️ →∑ © ™",
    "tab\there\nnew line\rreturn\u00a0no-break\u3000ideographic",
    "zero\u200bwidth soft\u00adhyphen bell\x07 nul\x00 repl\ufffdaced \ufeffbom",
    "a" * 100 + " " + "b" * 101 + " " + "é" * 100,
    "“quotes” ‘single’ — dash … ellipsis¿ ¡ § «guillemets»",
    "[MASK] is text here, and so is [unused3] and ##ing",
    "don't can't antidisestablishmentarianism supercalifragilistic https://x.org/a_b?c=d#e",
    "ελληνικα русский עִבְרִית عربي हिन्दी ไทย",
)


@cache
def bert():
    """BERT's tokenizer as the library runs it, without truncation, padding and the recognition
    of special tokens inside a text; the vocabulary."""
    from tokenizers import Tokenizer

    data = json.loads((assets.path("minilm") / "tokenizer.json").read_text("utf-8"))
    data |= {"added_tokens": [], "truncation": None, "padding": None}
    return Tokenizer.from_str(json.dumps(data)), dict(data["model"]["vocab"])


def pieces_by_library(word, vocab):
    from tokenizers import models

    model = models.WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=100)
    return [token.value for token in model.tokenize(word)]


def words_by_library(text):
    tokenizer, _ = bert()
    normal = tokenizer.normalizer.normalize_str(text)
    return [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal)]


def small(*pieces):
    return {piece: number for number, piece in enumerate([*SPECIAL, *pieces])}


def check_pieces(submission, criterion, word, vocab, note=("", "")):
    expected = pieces_by_library(word, vocab)
    got = list(call(criterion, submission.wordpiece, word, dict(vocab)))
    known = [piece for piece in vocab if piece not in SPECIAL]
    given = f"({', '.join(known)})" if len(known) < 15 else ""
    assert got == expected, say(
        f"{word[:40]!r} {given} is cut into {got[:12]}; it must be {expected[:12]}{note[0]}",
        f"{word[:40]!r} {given} 被切成 {got[:12]}；应为 {expected[:12]}{note[1]}",
    )


def check_words(submission, criterion, texts):
    for text in texts:
        expected = words_by_library(text)
        got = list(call(criterion, submission.basic_tokenize, text))
        places = range(max(len(got), len(expected)))
        at = next((i for i in places if got[i : i + 1] != expected[i : i + 1]), 0)
        assert got == expected, say(
            f"{text[:60]!r}: from word {at + 1} on you have {got[at : at + 6]}; it must be "
            f"{expected[at : at + 6]}",
            f"{text[:60]!r}：从第 {at + 1} 个词起，你得到 {got[at : at + 6]}；应为 "
            f"{expected[at : at + 6]}",
        )


def test_longest_match(submission):
    vocab = small("un", "unh", "##hap", "##happ", "##ily", "##appily", "##y", "##i", "##l")
    for word in ("unhappily", "un", "unhappy", "unhappyily"):
        check_pieces(submission, "longest_match", word, vocab)
    for word in ("tokenization", "unaffordable", "untuned", "hyperparameters"):
        check_pieces(submission, "longest_match", word, bert()[1])


def test_continuation(submission):
    inside_only = small("play", "##ing", "##s")
    start_only = small("play", "ing", "s")
    both = small("ing", "##ing", "a", "##a")
    for word, vocab in (
        ("playing", inside_only), ("playing", start_only), ("ing", inside_only),
        ("inging", both), ("aaa", both), ("plays", start_only),
    ):  # fmt: skip
        check_pieces(submission, "continuation", word, vocab)


def test_unknown(submission):
    vocab = small("good", "##ness", "##n", "a", "##b")
    for word in ("goodnessx", "xgood", "goodnez", "abac", "🙂"):
        check_pieces(submission, "unknown", word, vocab)
    check_pieces(submission, "unknown", "token🙂", bert()[1])


def test_long_words(submission):
    vocab = small("a", "##a", "é", "##é", "字", "##字")
    for letter in "aé字":
        for length in (99, 100, 101, 300):
            note = (f" ({length} characters)", f"（{length} 个字符）")
            check_pieces(submission, "long_words", letter * length, vocab, note)


def test_lower_and_accents(submission):
    check_words(
        submission,
        "lower_and_accents",
        ("HELLO World", "Café CAFE\u0301 naïve Ångström", "Đặng Thùy Trâm İstanbul", "Ça ÑANDÚ ß"),
    )


def test_punctuation(submission):
    signs = "".join(map(chr, range(33, 127)))
    check_words(
        submission,
        "punctuation",
        ("wait...what?!", "it's 3.14% (or so)", signs, "“a”—b…c¿d", "a。b，c！", "1+1=2 ©x→y"),
    )


def test_chinese(submission):
    check_words(
        submission,
        "chinese",
        ("深度学习", "用BERT做NLP任务", "第3章abc字", "㐀𠀀豈", "ひらめき漢字カナ"),
    )


def test_cleaning(submission):
    check_words(
        submission,
        "cleaning",
        ("a\tb\nc\rd", "a\u00a0b\u3000c\u2003d\u2028e", "a\u200bb\u00adc\ufeffd", "x\x00y\x07z\x7f",
         "re\ufffdplaced", "  two   spaces  "),
    )  # fmt: skip


def test_equals_bert(submission, figures):
    tokenizer, vocab = bert()
    texts = [(f"awkward text {n}", f"刁钻文本 {n}", text) for n, text in enumerate(AWKWARD, 1)]
    for lang, name in (("en", ("our English lessons", "英文课文")),
                       ("zh", ("our Chinese lessons", "中文课文"))):  # fmt: skip
        lines = [line for line in lab.lessons(lang).splitlines() if line.strip()][:150]
        texts += [(*name, line) for line in lines]
        unknown = [n for line in lines for n in tokenizer.encode(line).ids]
        figures[f"unknown_share_{lang}"] = round(unknown.count(vocab["[UNK]"]) / len(unknown), 4)
    equal = 0
    for en, zh, text in texts:
        expected = tokenizer.encode(text).ids
        got = [int(n) for n in call("equals_bert", submission.encode, text, dict(vocab))]
        figures["equal_texts"] = equal
        places = range(max(len(got), len(expected)))
        place = next((i for i in places if got[i : i + 1] != expected[i : i + 1]), 0)
        shown = [[piece(n) for n in ids[place : place + 5]] for ids in (got, expected)]
        assert got == expected, say(
            f"{en}, {text[:50]!r}: {equal} of {len(texts)} texts equal so far; here, from place "
            f"{place} on, you have {shown[0]}, BERT has {shown[1]}",
            f"{zh}，{text[:50]!r}：{len(texts)} 段文本中已有 {equal} 段一致；这一段从第 {place} 个"
            f"起，你得到 {shown[0]}，BERT 得到 {shown[1]}",
        )
        equal += 1
    figures["equal_texts"] = equal


def piece(number):
    return bert()[0].id_to_token(number)
