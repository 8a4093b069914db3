# %% [markdown]
# # 用 LangChain 搭建 RAG
#
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor check week7/rag_langchain` 批改。
#
# 从文档到引用标记可以核对的回答：切块器、自写的检索器、带编号段落的提示、
# 套上 LangChain 接口的模型，以及判断模型的哪些标记成立的代码。

# %%
import re  # noqa: F401
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from langchain_core.documents import Document
from langchain_core.language_models.llms import LLM
from langchain_core.prompts import PromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda, RunnablePassthrough  # noqa: F401
from langchain_text_splitters import RecursiveCharacterTextSplitter  # noqa: F401
from pydantic import PrivateAttr

from exercises.week7 import corpus

NOT_COVERED = "The documents do not say."


@dataclass(frozen=True)
class Citation:
    """一个成立的标记。sentence：它所跟的那一句，不含标记。"""

    number: int
    sentence: str
    passage: Document


# %% [markdown]
# ## 1. 切块


# %%
def split(documents, size=120, overlap=20):
    """把各个 corpus.Document 按顺序变成 LangChain 的 Document 返回。

    page_content：某一节（corpus.sections）的片段，最多 `size` 个 token
    （corpus.count_tokens），尽量在自然段和句子的边界切开。
    metadata："document"（文档的 id）、"title"、"heading"。
    """
    raise NotImplementedError("split：把各节变成 LangChain 的 Document")


# %% [markdown]
# ## 2. 检索


# %%
class VectorRetriever(BaseRetriever):
    """与问题最近的 k 个文档，从高分到低分，分数不低于 `least`。

    嵌入的是 "title > heading\npage_content"，只在创建检索器时嵌入一次。检索到的文档是副本，
    带 metadata["score"]，即余弦；`documents` 保持原样。
    """

    documents: list[Document]
    embed: Callable[[list[str]], Any]  # 把文本变成长度为 1 的向量 (n, d)
    k: int = 4
    least: float = 0.0
    _vectors: np.ndarray = PrivateAttr()

    def model_post_init(self, context):
        raise NotImplementedError("VectorRetriever：文档的向量，只算一次")

    def _get_relevant_documents(self, query, *, run_manager):
        raise NotImplementedError("VectorRetriever：最好的 k 个，带分数")


def place(document):
    """返回段落的 "title > heading"。"""
    return f"{document.metadata['title']} > {document.metadata['heading']}"


# %% [markdown]
# ## 3. 提示


# %%
def numbered(passages):
    """返回各段落的文字："[1] title > heading"，下面是段落，再空一行。"""
    raise NotImplementedError("numbered：[1] title > heading，加上段落")


# 待写：先写规则（只依据段落；加标记；何时写 NOT_COVERED），再放段落，
# 最后是 "Question: ..." 一行。
PROMPT = PromptTemplate.from_template("{passages}\n\n{question}")

# %% [markdown]
# ## 4. 模型


# %%
class LocalLLM(LLM):
    """把一个函数包成 LangChain 的 LLM：输入提示，返回续写。"""

    complete: Callable[[str], str]

    @property
    def _llm_type(self):
        return "local"

    def _call(self, prompt, stop=None, run_manager=None, **kwargs):
        """返回续写，在最先出现的停止串之前结束：那个函数不认识停止串。"""
        raise NotImplementedError("LocalLLM：续写，在停止串之前结束")


# %% [markdown]
# ## 5. 哪些标记成立？
#
# 没人核对的编号只是装饰。标记成立，要求它的段落存在，含有句中的全部数字，
# 以及句中四个字母及以上的单词的至少一半。


# %%
def supports(sentence, passage):
    """返回段落的 page_content 是否含有句中的全部数字，以及句中四个字母及以上的不同单词的
    至少一半（不分大小写）。"""
    raise NotImplementedError("supports：数字，以及一半的单词")


def check_marks(answer, passages):
    """返回 (text, citations)：去掉了不成立标记的回答，以及成立的标记。

    "It is 41 %. [2][9]" 和 "It is 41 % [2]." 里都有一句带标记的话；[n] 从 1 数起。
    """
    raise NotImplementedError("check_marks：成立的标记")


# %% [markdown]
# ## 6. 链
#
# 用 `|` 连起来的 Runnable：每一个接收前一个的返回值。


# %%
def build_chain(retriever, llm):
    """返回一个 Runnable：输入问题（str），输出字典 question、passages、answer、citations。

    没有段落就不问模型。回答里没有一个成立的标记，就改成 NOT_COVERED，citations 为空。
    """
    raise NotImplementedError("build_chain：收集、提问、核对")


# %% [markdown]
# ## 试一试
#
# 先用一个只会摘句子的“阅读器”；愿意的话，再换 135M 的模型：它的标记有多少成立？

# %%
if __name__ == "__main__":
    from exercises.week7.reader import read

    lessons = [d for d in corpus.documents("en") if d.unit in ("week5", "week7")]
    retriever = VectorRetriever(documents=split(lessons), embed=corpus.embed, least=0.3)
    QUESTIONS = ["Why does one of the two LoRA matrices begin with zeros?", *corpus.uncovered()[:1]]
    model = LocalLLM(complete=read)
    print(numbered(retriever.invoke(QUESTIONS[0]))[:600], "\n...")

    WITH_MODEL = False  # True：由 SmolLM2-135M 回答，约一分钟
    if WITH_MODEL:
        from llama_cpp import Llama

        from tutor.base import assets

        llm = Llama(str(assets.path("smollm2-135m")), n_ctx=2048, verbose=False)
        model = LocalLLM(
            complete=lambda prompt: llm.create_completion(prompt, max_tokens=80, temperature=0)[
                "choices"
            ][0]["text"]
        )
    chain = build_chain(retriever, model)
    # batch() 会从多个线程同时提问，同一个 llama.cpp 模型受不了。
    for result in map(chain.invoke, QUESTIONS):
        print("\nQ:", result["question"], "\nA:", result["answer"])
        for citation in result["citations"]:
            print(f"   [{citation.number}] {place(citation.passage)}")
