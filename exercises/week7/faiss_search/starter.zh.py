# %% [markdown]
# # 用 FAISS 做精确与近似检索
#
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor check week7/faiss_search` 批改。
#
# 把句子嵌入成向量，先做精确检索，再换成两种只看一部分向量的索引：IVF 和 HNSW。
# 它们省了多少、漏了多少，都要测出来，画出来。
#
# n：向量的个数，d：每个向量的维数（384），q：查询的个数。

# %%
import time  # noqa: F401

import faiss  # noqa: F401
import numpy as np  # noqa: F401
import torch
from PIL import Image, ImageDraw  # noqa: F401

from exercises import lab
from exercises.week7 import corpus

COLOURS = {"IVF": "#1f77b4", "HNSW": "#ff7f0e"}
MOST_TOKENS = 256  # 编码器对一个文本最多读这么多 token

# %% [markdown]
# ## 1. 句向量
#
# 编码器为每个 token 给出一个向量，它们的均值就是文本的向量；填充不是文本的 token。


# %%
@torch.no_grad()
def embed(texts, model, tokenizer, batch_size=32):
    """按文本的次序返回它们的向量：float32 (n, d)，每个长度为 1。

    文本的向量是它自己各 token 的均值（含 [CLS] 和 [SEP]），与同一批里还有哪些文本无关。
    文本超过 MOST_TOKENS 个 token 就截断。
    """
    raise NotImplementedError("embed：分词、按掩码取均值、归一化")


# %% [markdown]
# ## 2. 三种索引
#
# 都按内积比较；向量长度为 1 时，内积就是余弦。


# %%
def flat_index(vectors):
    """返回向量 (n, d) 的精确索引。"""
    raise NotImplementedError("flat_index：按内积的精确索引")


def ivf_index(vectors, clusters):
    """返回有 `clusters` 个簇的 IVF 索引，用这些向量训练，并把它们全部装入。"""
    raise NotImplementedError("ivf_index：分簇、训练、装入")


def hnsw_index(vectors, links):
    """返回向量的 HNSW 索引；每个向量在上面各层有 `links` 个邻居。"""
    raise NotImplementedError("hnsw_index：一张图，按内积")


# %% [markdown]
# ## 3. 从问题到段落


# %%
def search(index, passages, queries, k):
    """为每个查询向量返回它的段落，从高分到低分：每个查询一个 (score, passage) 列表。

    passages：n 个文本，次序与索引中的向量一致。FAISS 找不够 k 个时用 id -1 补位，
    这些位置要略去。
    """
    raise NotImplementedError("search：返回段落，而不是 id")


# %% [markdown]
# ## 4. 近似的代价


# %%
def recall(found, exact):
    """返回精确近邻中被找到的占比，对查询取均值，与次序无关。

    found、exact：id (q, k)；`found` 中的 -1 不是近邻。
    """
    raise NotImplementedError("recall：精确近邻找到了多少")


def sweep(name, index, values, queries, exact):
    """返回各行：nprobe（name 为 "IVF"）或 efSearch（"HNSW"）每取一值一行，按 `values` 的次序。

    一行：{"index": name, "setting": 取值, "recall": 相对 `exact` (q, k) 的召回率,
    "compared": 与查询比较过的向量数，对查询取均值,
    "milliseconds": 每个查询的毫秒数}。
    """
    raise NotImplementedError("sweep：对每个取值，设置、检索、计数")


def cheapest(rows, least):
    """返回 recall >= least 的行中比较次数最少的一行；没有则返回 None。"""
    raise NotImplementedError("cheapest：召回率达标且工作量最小")


# %% [markdown]
# ## 5. 把取舍画出来
#
# 向右：比较次数增多，对数刻度。向上：召回率增大。


# %%
def plot(rows, path):
    """为每行画一个实心点，颜色为 COLOURS[row["index"]]，存成 PNG。

    x 与 log(compared) 成线性，向右增大；y 与 recall 成线性，向上增大；
    两个刻度对所有点都相同。图中其他东西不用这些颜色。
    """
    raise NotImplementedError("plot：每行一个点，存成 PNG")


# %% [markdown]
# ## 试一试
#
# 用全部课文的句子。第一次要一两分钟：得先嵌入它们。

# %%
if __name__ == "__main__":
    questions = [question.text for question in corpus.questions("en")]
    print("your vectors:", embed(questions[:5], *lab.load_encoder()).shape)
    sentences = corpus.sentences()
    vectors = corpus.embed(sentences)  # 和你的一样出自 MiniLM，只是有缓存
    queries = corpus.embed(questions)
    flat = flat_index(vectors)
    for score, sentence in search(flat, sentences, queries[:1], 3)[0]:
        print(f"{score:.3f}  {sentence[:90]}")
    _, exact = flat.search(queries, 10)
    rows = sweep("IVF", ivf_index(vectors, 40), [1, 2, 4, 8, 16, 40], queries, exact)
    rows += sweep("HNSW", hnsw_index(vectors, 16), [10, 20, 40, 80, 160], queries, exact)
    for row in rows:
        print({name: x if isinstance(x, str) else round(x, 3) for name, x in row.items()})
    print(len(sentences), "vectors; recall of 0.95 costs least with", cheapest(rows, 0.95))
    plot(rows, lab.run_dir() / "recall.png")
    print("drawn:", lab.run_dir() / "recall.png")
