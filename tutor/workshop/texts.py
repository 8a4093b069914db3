"""Texts to measure models with: passages of the knowledge base, in both languages."""

from __future__ import annotations

from kb.store import missing, open_store
from tutor.base import home
from tutor.base.errors import MissingError
from tutor.base.i18n import say

SAMPLE = 1000
SCATTER = 2654435761  # Knuth's multiplicative hash: the same passages each time, from everywhere
LONGEST = 800
"""Characters of one text: long enough for every way a tokenizer cuts."""

# Positions at which logits are compared; fixed, so that figures can be set beside each other.
FIXED = (
    "LoRA freezes the pretrained weights and learns two small matrices for each layer, whose "
    "product is added to what the layer computes.",
    "def attention(q, k, v):\n    scores = q @ k.T / math.sqrt(k.shape[-1])\n"
    "    return softmax(scores, dim=-1) @ v\n",
    "大语言模型用大量文本预训练，然后在少量指令数据上微调。量化把权重从 16 位降到 4 位，"
    "文件变小，困惑度略有上升。",
    "The tokenizer splits “naïve café 2024” into pieces; perplexity is the exponential of the mean "
    "negative log-likelihood: exp(2.5) ≈ 12.18.",
)


def sample(lang: str, count: int) -> list[str]:
    """Return passages of a language, scattered over the knowledge base; always the same ones.

    Raises MissingError where the knowledge base is not there.
    """
    if not home.kb_file().exists():
        raise missing(home.kb_file())
    store = open_store()  # also an index that search would refuse as stale has its text
    try:
        rows = store.db.execute(
            "SELECT text FROM passages WHERE lang = ? ORDER BY id * ? % 4294967296 LIMIT ?",
            [lang, SCATTER, count],
        ).fetchall()
    finally:
        store.close()
    return [text for (text,) in rows]


def both_languages() -> list[str]:
    """Return 1,000 texts, half of them Chinese; where there are fewer passages, they are cut into
    pieces until there are enough.

    Raises MissingError where the knowledge base is too small for that.
    """
    return [text for lang in ("en", "zh") for text in _texts(lang, SAMPLE // 2)]


def _texts(lang: str, count: int) -> list[str]:
    passages = [text[:LONGEST] for text in sample(lang, count)]
    length = LONGEST
    while len(passages) < count and length > 20:
        length //= 2
        passages = [
            text[at : at + length]
            for text in sample(lang, count)
            for at in range(0, len(text), length)
        ]
    if len(passages) < count:
        raise MissingError(
            say(
                f"The knowledge base has too little {lang} text to measure with.",
                f"知识库中的{'中文' if lang == 'zh' else '英文'}文本太少，不足以测量。",
            ),
            say("Run: tutor kb sync", "请运行：tutor kb sync"),
        )
    return passages[:count]


def for_perplexity(lang: str = "en", passages: int = 120) -> str:
    """Return a text of about 20,000 tokens. English: the small models know no Chinese, and a
    perplexity in the thousands measures nothing."""
    return "\n\n".join(sample(lang, passages))
