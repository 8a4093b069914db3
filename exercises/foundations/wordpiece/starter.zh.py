# %% [markdown]
# # 像 BERT 一样切词：WordPiece
#
# 从文本到 id 分两步：先做基本切词，得到词；再在每个词内部按 WordPiece 的贪心最长匹配切分
# （Devlin 等，2019，arXiv 1810.04805；Wu 等，2016，1609.08144）。
#
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor check foundations/wordpiece` 批改。

# %%
from pathlib import Path

from tutor.base import assets

# %% [markdown]
# ## 已给出：词表与汉字的范围

# %%
UNKNOWN = "[UNK]"
LONGEST_WORD = 100  # 字符数；更长的词不值得切
CJK = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


def load_vocab(path: Path | None = None) -> dict[str, int]:
    """返回每个片段的 id，即它在文件中的行号。默认用 MiniLM 的词表，也就是 BERT 的。"""
    file = path or assets.path("minilm") / "vocab.txt"
    pieces = file.read_text("utf-8").removesuffix("\n").split("\n")
    return {piece: number for number, piece in enumerate(pieces)}


# %% [markdown]
# ## 词
#
# 清理，把汉字逐个分开，分解并去掉重音，转小写，在标点处切开。
# `unicodedata.category("é")` 是 "Ll"；分解用同一模块的 `normalize`。


# %%
def basic_tokenize(text: str) -> list[str]:
    """把文本切成词：清理过、小写、不带重音。"""
    raise NotImplementedError("basic_tokenize：从文本到词")


# %% [markdown]
# ## 片段
#
# 若片段有 un、##happy、##hap、##pi、##ly，单词 unhappily 就切成 un ##hap ##pi ##ly。


# %%
def wordpiece(word: str, vocab: dict[str, int]) -> list[str]:
    """按贪心最长匹配把一个词切成词表中的片段，或者整个变成一个 [UNK]。"""
    raise NotImplementedError("wordpiece：反复取能匹配的最长片段")


def encode(text: str, vocab: dict[str, int]) -> list[int]:
    """返回文本的 id，[CLS] 在最前，[SEP] 在最后。"""
    raise NotImplementedError("encode：词、片段、id")


# %% [markdown]
# ## 试一试

# %%
if __name__ == "__main__":
    vocab = load_vocab()
    for text in ("Untuned tokenization is unaffordable!", "Café 🙂 naïve", "深度学习 with BERT"):
        words = basic_tokenize(text)
        print(words, [wordpiece(word, vocab) for word in words], encode(text, vocab), sep="\n  ")
