# %% [markdown]
# # 从零实现字节级 BPE
#
# 像 GPT-2 那样从文本中学出合并，再用它们编码和解码
# （以字节为单位，所以没有任何文本是未知的）。Sennrich 等，2016，arXiv 1508.07909。
#
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor check foundations/bpe` 批改。

# %%
import regex

# %% [markdown]
# ## 已给出：词与字节
#
# GPT-2 的规则让词前的空格跟着词，并把字母、数字和其他符号彼此分开。
# `regex` 认识 `\p{L}`（字母）之类的 Unicode 类别，`re` 不认识。

# %%
WORD = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
# GPT-2 把可打印的字节值排在前面，然后是其余的。
PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
BYTES = PRINTABLE + [value for value in range(256) if value not in PRINTABLE]

Pair = tuple[bytes, bytes]


def split(text: str) -> list[str]:
    """把文本切成词；连起来仍是原文。"""
    return WORD.findall(text)


# %% [markdown]
# ## 训练
#
# 在词的内部统计相邻对，把次数最多的一对在各处合并，记下来，再重复。
# 次数相同时，取左边 token 的 id 较小的，再相同则取右边 token 的 id 较小的。


# %%
def train(texts: list[str], merges: int) -> list[Pair]:
    """最多学 `merges` 条合并，次数最多的对优先；没有可合并的对时提前结束。"""
    raise NotImplementedError("train：统计，合并最佳的对，重复")


def vocabulary(merges: list[Pair]) -> dict[bytes, int]:
    """返回每个 token 的 id：先是 256 个字节，再依次是合并得到的 token。"""
    raise NotImplementedError("vocabulary：每个字节、每条合并各有一个 id")


# %% [markdown]
# ## 编码与解码
#
# 在每个词内部重放合并，最早学到的先来。


# %%
def encode(text: str, merges: list[Pair]) -> list[int]:
    """返回文本中各 token 的 id。"""
    raise NotImplementedError("encode：切词，重放合并，查出 id")


def decode(ids: list[int], merges: list[Pair]) -> str:
    """返回这些 id 对应的文本；不合法的 UTF-8 字节变成 U+FFFD。"""
    raise NotImplementedError("decode：从 id 到字节，再到文本")


# %% [markdown]
# ## 试一试

# %%
if __name__ == "__main__":
    corpus = ["tune tune tune tune tuned tuned tuned tuning tuning untuned", "调音 调音 调音师"]
    learned = train(corpus, 8)
    for left, right in learned:
        print(left, "+", right)
    for text in ("untune", "调音 🙂"):
        numbers = encode(text, learned)
        print(text, numbers, decode(numbers, learned) == text)
