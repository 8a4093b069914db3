# %% [markdown]
# # 块的大小如何影响命中率
#
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor check week7/chunking` 批改。
#
# 把课文切成给定 token 数的段落，在其中检索，并对几种大小测 hit@k、MRR 和提示预算内的命中率。
# 标准答案是问题的引文：段落里一字不差地含有它，就算命中。

# %%
from dataclasses import dataclass

import numpy as np  # noqa: F401 - for the ranking

from exercises.week7 import corpus

COLUMNS = ["size", "overlap", "chunks", "too_long", "hit@1", "hit@5", "mrr", "hit@budget"]


@dataclass(frozen=True)
class Chunk:
    """一个段落。body：某一节的原文片段，不作改动。text：送去嵌入的文字。"""

    document: str
    title: str
    heading: str
    body: str

    @property
    def text(self):
        """标题、小节名和正文：单独一句“默认是 8”，放在哪里都说得通。"""
        raise NotImplementedError("Chunk.text：标题、小节名和正文")


# %% [markdown]
# ## 1. 在 token 上开窗


# %%
def windows(n, size, overlap):
    """返回 n 个 token 上各窗口的 (start, end)，不含 end。

    每个窗口有 `size` 个 token，起点比前一个靠后 `size - overlap`；最后一个到 n 为止，可以更短。
    任何窗口都不会完全落在另一个里面：n > overlap 时共有
    ceil((n - overlap) / (size - overlap)) 个。n = 0 时一个窗口也没有。
    除非 0 <= overlap < size，否则抛出 ValueError。
    """
    raise NotImplementedError("windows：n 个 token 上的 (start, end)")


# %% [markdown]
# ## 2. 从文档到块
#
# 先看标题，再看大小：块绝不跨过标题。大小按编码器的 token 计，
# 它的分词器会给出每个 token 在原文中的位置。


# %%
def split(document, size, overlap):
    """按顺序返回一个 corpus.Document 的块。

    不超过 `size` 个 token 的小节（corpus.sections）就是一块；更长的用 `windows` 按它的 token
    切开。正文从它第一个 token 的第一个字符，到最后一个 token 的最后一个字符。
    """
    raise NotImplementedError("split：先分小节，再在各节的 token 上开窗")


# %% [markdown]
# ## 3. 指标


# %%
def is_hit(chunk, question):
    """返回这一块能否回答问题：属于问题所指的文档，并且含有引文。"""
    raise NotImplementedError("is_hit：文档正确，且含引文")


def rank(ranked, question):
    """返回排好序的块中第一个命中的名次，从 1 数起；没有命中则返回 None。"""
    raise NotImplementedError("rank：第一个命中的名次")


def measures(ranks):
    """返回 {"hit@1", "hit@5", "mrr"}，由各问题的名次算出；None 表示没有命中，记 0。"""
    raise NotImplementedError("measures：hit@1、hit@5 和 MRR")


def within_budget(ranked, budget):
    """按名次返回放得进提示的块：遇到第一个会让各 text 的 token 总数超出预算的块，
    就到它之前为止。"""
    raise NotImplementedError("within_budget：放得进提示的最好的块")


# %% [markdown]
# ## 4. 比较
#
# 拿 256 个 token 的块和 32 个 token 的块比 hit@5 并不公平：
# 五个大块会占满 1,280 个 token 的提示。hit@budget 给两者同样的空间。


# %%
def compare(documents, questions, embed, sizes, share, budget):
    """返回各行（以 COLUMNS 为键的字典）：每种大小一行，按 `sizes` 的次序。

    embed：把文本变成长度为 1 的向量 (n, d)。overlap：int(share * size) 个 token。
    chunks：块数。too_long：text 超过 corpus.MOST_TOKENS 个 token 的块所占的比例。
    hit@budget：在预算内的块中有命中的问题所占的比例。
    """
    raise NotImplementedError("compare：每种大小一行")


# %% [markdown]
# ## 5. 表格


# %%
def table(rows):
    """返回各行写成的 Markdown 表格，表头为 COLUMNS；比例保留三位小数。"""
    raise NotImplementedError("table：把各行写成 Markdown")


# %% [markdown]
# ## 试一试
#
# 用三篇课文。第一次要一两分钟；十篇全用，时间是三倍。

# %%
if __name__ == "__main__":
    units = ("week5", "week6", "week7")
    documents = [d for d in corpus.documents("en") if d.unit in units]
    known = {document.id for document in documents}
    questions = [q for q in corpus.questions("en") if q.document in known]
    for share in (0.0, 0.125):
        print(f"\noverlap {share:.3f} of the size, {len(questions)} questions")
        print(table(compare(documents, questions, corpus.embed, [32, 64, 128, 256], share, 400)))
