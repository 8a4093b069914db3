# %% [markdown]
# # 用 Chroma 做持久化的向量库
#
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor check week7/chroma` 批改。
#
# 比起单独一个索引，数据库多了什么：重启之后还在，知道每个向量是什么，能过滤，
# 还能随文档更新，而不必全部重新嵌入。

# %%
import hashlib  # noqa: F401
from dataclasses import dataclass

import chromadb  # noqa: F401
from chromadb.config import Settings  # noqa: F401

from exercises import lab
from exercises.week7 import corpus

NAME = "lessons"
LONGEST = 700  # 段落的字符数


@dataclass(frozen=True)
class Hit:
    """检索到的一个段落。score：余弦，即 1 - Chroma 给的距离。"""

    score: float
    document: str
    heading: str
    text: str


def passages_of(document):
    """按顺序返回 corpus.Document 的段落：(heading, text)，每个都由完整的自然段组成。"""
    found = []
    for section in corpus.sections(document):
        text = ""
        for paragraph in section.text.split("\n\n"):
            if text and len(text) + len(paragraph) > LONGEST:
                found.append((section.heading, text))
                text = ""
            text = f"{text}\n\n{paragraph}".strip()
        found.append((section.heading, text))
    return found


# %% [markdown]
# ## 1. 打开
#
# 不写 embedding_function=None，Chroma 就用自带的嵌入函数，还会去下载模型。
# 向量出自哪个编码器，也是库的一部分：别的编码器的向量看着像样，其实毫无意义。


# %%
def open_store(folder, encoder="minilm"):
    """返回该文件夹中名为 NAME 的 collection，没有就新建。

    它按余弦比较，没有嵌入函数，不发遥测，元数据里记着编码器的名字。
    如果它是用别的编码器建的，就抛出 ValueError，并说出那个编码器的名字。
    """
    raise NotImplementedError("open_store：磁盘上的 collection，按余弦比较")


# %% [markdown]
# ## 2. 更新到最新


# %%
def fingerprint(document):
    """返回文档文本的哈希。"""
    raise NotImplementedError("fingerprint：文本的哈希")


def add(collection, document, embed):
    """存入一个文档的各段落：文字、向量和元数据 "document"、"heading"、"lang"、
    "unit"、"sha256"（文档的 fingerprint）。嵌入的是 "title > heading\ntext"。"""
    raise NotImplementedError("add：文档的段落，带向量和元数据")


def remove(collection, document_id):
    """删除一个文档的段落，返回原有的段落数；未知文档返回 0。"""
    raise NotImplementedError("remove：删除文档的段落，返回段落数")


def sync(collection, documents, embed):
    """让库里恰好是这些文档；返回 {"added", "updated", "removed", "unchanged"}
    各有多少个文档。

    embed：把文本变成长度为 1 的向量 (n, d)。只有新文档和变了的文档，段落才交给它。
    变了的文档不留任何旧段落。
    """
    raise NotImplementedError("sync：嵌入新的和变了的，删掉已经没有的")


# %% [markdown]
# ## 3. 检索


# %%
def search(collection, embed, question, k=5, lang=None, unit=None):
    """返回最好的 k 个 Hit，从高分到低分；给出 lang、unit 时，只取符合的文档。

    过滤由 Chroma 来做：检索之后再过滤，就剩不下 k 个了。
    """
    raise NotImplementedError("search：最好的 k 个，由 Chroma 过滤")


# %% [markdown]
# ## 试一试
#
# 运行两次：第二次什么都不用嵌入。

# %%
if __name__ == "__main__":
    store = open_store(lab.run_dir() / "store")
    lessons = [
        d for lang in ("en", "zh") for d in corpus.documents(lang) if d.unit in ("week5", "week7")
    ]
    print(sync(store, lessons, corpus.embed), store.count(), "passages")
    for lang in ("en", "zh"):
        print()
        for hit in search(store, corpus.embed, "Why does IVF miss neighbours?", 3, lang=lang):
            print(f"{hit.score:.3f}  {hit.document}  {hit.heading}")
