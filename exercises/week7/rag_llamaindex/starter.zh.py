# %% [markdown]
# # 用 LlamaIndex 搭建 RAG
#
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor check week7/rag_llamaindex` 批改。
#
# 同一条流水线，换一个框架：节点、套上 LlamaIndex 接口的自己的嵌入模型和 LLM、向量索引、
# 带阈值的检索器，以及回答会注明来源的查询引擎。

# %%
import re  # noqa: F401
from collections.abc import Callable
from typing import Any

from llama_index.core import VectorStoreIndex  # noqa: F401
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.response.schema import Response  # noqa: F401
from llama_index.core.llms import CompletionResponse, CustomLLM, LLMMetadata  # noqa: F401
from llama_index.core.llms.callbacks import llm_completion_callback
from llama_index.core.node_parser import SentenceSplitter  # noqa: F401
from llama_index.core.postprocessor import SimilarityPostprocessor  # noqa: F401
from llama_index.core.query_engine import CustomQueryEngine
from llama_index.core.schema import Document, MetadataMode  # noqa: F401

from exercises.week7 import corpus

NOT_COVERED = "The documents do not say."

# %% [markdown]
# ## 1. 嵌入模型
#
# LlamaIndex 默认用收费的 API。你用的是一个“文本到向量”的函数。


# %%
class MiniLM(BaseEmbedding):
    """encode：把文本列表变成长度为 1 的向量 (n, d)，例如 corpus.embed。"""

    encode: Callable[[list[str]], Any]

    def _get_text_embeddings(self, texts):
        """返回多个文本的向量，都是 float 列表，只调用一次 encode。"""
        raise NotImplementedError("MiniLM：多个文本的向量，都是 float 列表")

    def _get_text_embedding(self, text):
        return self._get_text_embeddings([text])[0]

    def _get_query_embedding(self, query):
        return self._get_text_embeddings([query])[0]

    async def _aget_query_embedding(self, query):
        return self._get_query_embedding(query)


# %% [markdown]
# ## 2. 节点


# %%
def make_nodes(documents, size=120, overlap=20):
    """把各个 corpus.Document 按顺序变成节点返回。

    节点的文本是某一节（corpus.sections）的片段，最多 `size` 个 token（corpus.count_tokens）。
    元数据："document"（文档的 id）、"title"、"heading"。标题和小节名与文本一起嵌入
    （MetadataMode.EMBED）；文档 id 既不嵌入，也不出现在 LLM 看到的内容里（MetadataMode.LLM）。
    """
    raise NotImplementedError("make_nodes：把各节变成带元数据的节点")


def build_index(nodes, encode):
    """返回这些节点的 VectorStoreIndex，嵌入模型用 MiniLM(encode=encode)。"""
    raise NotImplementedError("build_index：用 MiniLM 建 VectorStoreIndex")


# %% [markdown]
# ## 3. 模型


# %%
class LocalLLM(CustomLLM):
    """把一个函数包成 LlamaIndex 的 LLM：输入提示，返回文本片段的可迭代对象。"""

    generate: Callable[[str], Any]
    context: int = 2048
    most_tokens: int = 256

    @property
    def metadata(self):
        """LlamaIndex 按窗口决定往提示里装多少：要填模型真实的窗口。"""
        raise NotImplementedError("LocalLLM.metadata：窗口，以及回答的 token 数上限")

    @llm_completion_callback()
    def complete(self, prompt, formatted=False, **kwargs):
        """返回全部文字。"""
        raise NotImplementedError("LocalLLM.complete：全部文字")

    @llm_completion_callback()
    def stream_complete(self, prompt, formatted=False, **kwargs):
        """逐个产出响应：`text` 是到目前为止的全部文字，`delta` 是新增的片段。"""
        raise NotImplementedError("LocalLLM.stream_complete：逐个片段")


# %% [markdown]
# ## 4. 查询引擎
#
# 这些事大部分可以交给 RetrieverQueryEngine 和 CitationQueryEngine。自己写才看得见里面的过程：
# 用了哪些节点，提示是什么，调用几次，什么都没找到时怎么回答。


# %%
# 待写：先写规则（只依据来源；加标记；何时写 NOT_COVERED），再放来源，
# 最后是 "Question: ..." 一行。
PROMPT = "{sources}\n\n{question}"


def numbered(hits):
    """返回各个 NodeWithScore 的文字："[1] title > heading"，下面是节点的文本，再空一行。"""
    raise NotImplementedError("numbered：[1] title > heading，加上文本")


class CitedEngine(CustomQueryEngine):
    """回答里带标记 [n]，指的是 source_nodes[n - 1]。"""

    retriever: Any
    llm: Any
    cutoff: float

    def custom_query(self, query_str):
        raise NotImplementedError("CitedEngine.custom_query：检索、提问、核对、回答")


def build_engine(index, llm, k=4, cutoff=0.0):
    """返回一个查询引擎：engine.query(question) 得到一个 Response。

    response：回答，其中每个标记 [n] 都指向存在的来源，其他标记去掉。
    source_nodes：次序与提示中的编号一致的节点，从高分到低分，分数不低于 `cutoff`，最多 k 个。
    metadata["citations"]：各标记的编号，按出现的次序。
    没有来源就不问模型；这时，或者一个标记都不剩时，回答为 NOT_COVERED。
    """
    return CitedEngine(retriever=index.as_retriever(similarity_top_k=k), llm=llm, cutoff=cutoff)


# %% [markdown]
# ## 试一试
#
# 先用一个只会摘句子的“阅读器”；愿意的话，再换 135M 的模型。

# %%
if __name__ == "__main__":
    from exercises.week7.reader import read

    lessons = [d for d in corpus.documents("en") if d.unit in ("week5", "week7")]
    index = build_index(make_nodes(lessons), corpus.embed)
    model = LocalLLM(generate=lambda prompt: [read(prompt)])

    WITH_MODEL = False  # True：由 SmolLM2-135M 回答，约一分钟
    if WITH_MODEL:
        from llama_cpp import Llama

        from tutor.base import assets

        llm = Llama(str(assets.path("smollm2-135m")), n_ctx=2048, verbose=False)

        def pieces(prompt):
            for chunk in llm.create_completion(prompt, max_tokens=80, temperature=0, stream=True):
                yield chunk["choices"][0]["text"]

        model = LocalLLM(generate=pieces)
    engine = build_engine(index, model, cutoff=0.25)
    for question in (
        "Why does one of the two LoRA matrices begin with zeros?",
        corpus.uncovered()[0],
    ):
        response = engine.query(question)
        print("\nQ:", question, "\nA:", response.response)
        for number in response.metadata["citations"]:
            hit = response.source_nodes[number - 1]
            print(f"   [{number}] {hit.score:.3f} {hit.node.metadata['heading']}")
