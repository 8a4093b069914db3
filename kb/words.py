"""Text made ready for SQLite's word index, and questions for it.

FTS5's unicode61 tokenizer cuts at everything but letters, digits and "_", and its porter stemmer
cuts English endings. Before it, here: identifiers get their parts beside them, and Chinese is
cut into words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

_HAN = re.compile(r"[\u3400-\u9fff]+")
_HAN_OR_WORD = re.compile(r"[\u3400-\u9fff]+|[A-Za-z0-9_]+(?:[.-][A-Za-z0-9_]+)*")
_HUMP = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_BRITISH = re.compile(r"is(e|ed|es|er|ing|ation|ations)$")
"""The documents write "initialized", a learner perhaps "initialised"."""
_COMPOUND = re.compile(r"[A-Za-z]+-[A-Za-z]+")
_LONG_FORMS = {
    "arg": "argument",
    "args": "arguments",
    "attn": "attention",
    "calc": "calculate",
    "config": "configuration",
    "configs": "configuration",
    "ctx": "context",
    "db": "database",
    "diff": "difference",
    "dim": "dimension",
    "dims": "dimensions",
    "doc": "document",
    "docs": "documents",
    "embed": "embedding",
    "emb": "embedding",
    "eval": "evaluation",
    "func": "function",
    "grad": "gradient",
    "init": "initialization",
    "lr": "learning rate",
    "max": "maximum",
    "mem": "memory",
    "min": "minimum",
    "num": "number",
    "param": "parameter",
    "params": "parameters",
    "perf": "performance",
    "pos": "position",
    "prob": "probability",
    "probs": "probabilities",
    "quant": "quantization",
    "ref": "reference",
    "repo": "repository",
    "seq": "sequence",
    "temp": "temperature",
    "tok": "token",
    "val": "validation",
    "vec": "vector",
    "vocab": "vocabulary",
    "vram": "GPU memory",
}
"""What a learner types short and a document writes out."""
_URL = re.compile(r"https?://\S+|\]\([^)\s]*\)")

_ENGLISH_STOP = (
    "a about above after again all also am an and any are as at be because been before being "
    "between both but by can cannot could did do does doing don down each else every few for from "
    "further get gets give given go goes got had has have having he her here him his how i if in "
    "into is isn it its itself just know like ll make makes many may me might more most much my "
    "need needs no nor not now of off on once one only or other our out over own re same say says "
    "see she should so some something such t tell than that the their them then there these they "
    "thing this those through to too under until up us use used uses using ve very via want was "
    "way we well were what when where whether which while who whom why will with would you your "
    "actually exactly please really s d m doesn didn isn aren won work works happen happens "
    "instead mean means vs versus"
)
ENGLISH_STOP = frozenset(_ENGLISH_STOP.split())
_CHINESE_STOP = (
    "的 了 是 在 和 与 或 及 吗 呢 吧 啊 什么 怎么 怎样 如何 哪 哪个 哪些 哪几个 为什么 多少 几 有 没有 "
    "我 你 他 它 我们 你们 他们 它们 这 那 这个 那个 这些 那些 这里 那里 会 要 想 能 可以 应该 需要 让 使 "
    "把 被 对 对于 关于 从 到 用 就 都 也 还 还是 又 再 很 最 更 不 不是 一个 一些 一种 个 种 里 中 上 下 "
    "时 后 前 之后 之前 分别 各 其 而 但 但是 如果 因为 所以 则 即 请 请问 说 讲 干 做 去 来 给 等 以及 "
    "一下 一样 为 由 以 于 之 所 吗 么 地 得 着 过 区别 好 大 是不是 有没有 能不能 要不要 怎么办"
)
CHINESE_STOP = frozenset(_CHINESE_STOP.split())


def is_chinese(text: str) -> bool:
    return bool(_HAN.search(text))


def index_text(text: str) -> str:
    """Return the text to index: URLs left out, parts added after each identifier
    (`use_rslora` → "use_rslora use rslora", `LoraConfig` → "LoraConfig Lora Config"), Chinese
    cut into words, long words with their parts."""
    return " ".join(_tokens(_URL.sub(" ", text)))


def question_words(text: str) -> list[str]:
    """Return a question's words to look up, lower-case, each once, without stop words."""
    found: dict[str, None] = {}
    for match in _HAN_OR_WORD.finditer(_URL.sub(" ", text)):
        token = match[0]
        words = list(_chinese(token)) if _HAN.match(token) else _identifier(token)
        if len(words) > 1 and re.search(r"[.-]", token):  # "gpt-2": a phrase; "2" says nothing
            phrase = re.sub(r"[.-]+", " ", token)
            words = [phrase, *_joined(token), *(w for w in words if len(w) > 2)]
        for word in words:
            word = word.lower().strip("_")
            if word and word not in ENGLISH_STOP and word not in CHINESE_STOP:
                found[word] = None
                found[_BRITISH.sub(r"iz\1", word)] = None
                if word in _LONG_FORMS:
                    found[_LONG_FORMS[word]] = None
    return list(found)


def match_any(words: Iterable[str]) -> str:
    """Return an FTS5 query for passages with any of the words; a word of several parts
    ("top-p", "gpt-2") is a phrase."""
    return " OR ".join('"{}"'.format(word.replace('"', " ")) for word in words)


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    for found in _HAN_OR_WORD.finditer(text):
        token = found[0]
        if _HAN.match(token):
            tokens += _chinese(token)
        else:
            tokens += _identifier(token)
    return tokens


def _identifier(token: str) -> list[str]:
    """A word and, where it is an identifier, its parts."""
    parts = [hump for part in re.split(r"[._-]", token) for hump in _HUMP.findall(part)]
    if len(parts) < 2:
        return [token]
    pieces = [piece for piece in re.split(r"[.-]", token) if piece]
    return [*pieces, *(part for part in parts if part not in pieces), *_joined(token)]


def _joined(token: str) -> list[str]:
    """ "fine-tuning" is written "finetuning" too, and each must find the other."""
    return [token.replace("-", "")] if _COMPOUND.fullmatch(token) else []


def _chinese(text: str) -> Iterable[str]:
    """Cut Chinese as jieba does for search engines: long words and the words inside them."""
    if len(text) == 1:
        return [text]
    return (word for word in _jieba().cut_for_search(text) if _HAN.match(word))


_cutter: Any = None


def _jieba() -> Any:
    """jieba's cutter, with the glossary's Chinese terms in its dictionary."""
    global _cutter
    if _cutter is None:
        import logging

        import jieba

        from kb.glossary import chinese_terms

        jieba.setLogLevel(logging.WARNING)
        cutter = jieba.Tokenizer()
        cutter.initialize()
        for term in chinese_terms():
            cutter.add_word(term)
        _cutter = cutter
    return _cutter


_MARKUP = re.compile(r"[*`#>|]+|\[\^?\d+\]|-{3,}|={3,}")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")


def without_links(text: str) -> str:
    """Return Markdown with each link's or picture's label in place of it."""
    return _LINK.sub(r"\1", text)


def encoder_text(title: str, heading: str, text: str, lang: str) -> str:
    """Return what the encoder reads of a passage: where it stands and what it says, without
    links' targets and marks; of a Chinese one its English gist."""
    place = heading if heading.startswith(title) else f"{title}. {heading}"
    plain = _MARKUP.sub(" ", _URL.sub(" ", without_links(text)))
    whole = f"{place}\n{' '.join(plain.split())}"
    if lang == "zh":
        from kb.glossary import gist

        return gist(whole)
    return whole
