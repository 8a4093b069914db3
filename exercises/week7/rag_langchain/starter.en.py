# %% [markdown]
# # RAG with LangChain
#
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Check with `tutor check week7/rag_langchain`.
#
# From documents to answers whose marks can be checked: a splitter, a retriever of your own, a
# prompt with numbered passages, a model behind LangChain's interface, and the code that decides
# which of the model's marks hold.

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
    """A mark that holds. sentence: what it stands behind, without marks."""

    number: int
    sentence: str
    passage: Document


# %% [markdown]
# ## 1. Split


# %%
def split(documents, size=120, overlap=20):
    """Return the corpus.Documents as LangChain Documents, in order.

    page_content: a piece of one section (corpus.sections) with at most `size` tokens
    (corpus.count_tokens), cut at paragraphs and sentences where possible.
    metadata: "document" (its id), "title", "heading".
    """
    raise NotImplementedError("split: sections into LangChain Documents")


# %% [markdown]
# ## 2. Retrieve


# %%
class VectorRetriever(BaseRetriever):
    """The k documents nearest to a question, best first, of at least the score `least`.

    What is embedded is "title > heading\npage_content", once, when the retriever is made. Found
    documents are copies with metadata["score"], the cosine; `documents` stay as they are.
    """

    documents: list[Document]
    embed: Callable[[list[str]], Any]  # texts to vectors (n, d) of length 1
    k: int = 4
    least: float = 0.0
    _vectors: np.ndarray = PrivateAttr()

    def model_post_init(self, context):
        raise NotImplementedError("VectorRetriever: the documents' vectors, once")

    def _get_relevant_documents(self, query, *, run_manager):
        raise NotImplementedError("VectorRetriever: the k best, with their scores")


def place(document):
    """Return "title > heading" of a passage."""
    return f"{document.metadata['title']} > {document.metadata['heading']}"


# %% [markdown]
# ## 3. The prompt


# %%
def numbered(passages):
    """Return the passages as text: "[1] title > heading", the passage below it, an empty line."""
    raise NotImplementedError("numbered: [1] title > heading, and the passage")


# To be written: the rule (only from the passages; marks; when to write NOT_COVERED), then the
# passages, and in the end a line "Question: ...".
PROMPT = PromptTemplate.from_template("{passages}\n\n{question}")

# %% [markdown]
# ## 4. The model


# %%
class LocalLLM(LLM):
    """A function from a prompt to its continuation, as a LangChain LLM."""

    complete: Callable[[str], str]

    @property
    def _llm_type(self):
        return "local"

    def _call(self, prompt, stop=None, run_manager=None, **kwargs):
        """Return the continuation, ended before the first of the stop strings: the function knows
        none."""
        raise NotImplementedError("LocalLLM: the continuation, ended before a stop string")


# %% [markdown]
# ## 5. Which marks hold?
#
# A number that nobody checks is decoration. A mark holds where its passage exists, has every
# number of the sentence, and at least half of its words of four letters and more.


# %%
def supports(sentence, passage):
    """Return whether the passage's page_content has every number of the sentence and, whatever
    their case, at least half of its different words of four letters and more."""
    raise NotImplementedError("supports: numbers, and half of the words")


def check_marks(answer, passages):
    """Return (text, citations): the answer without the marks that do not hold, and those that do.

    "It is 41 %. [2][9]" and "It is 41 % [2]." both have a sentence with marks; [n] counts from 1.
    """
    raise NotImplementedError("check_marks: the marks that hold")


# %% [markdown]
# ## 6. The chain
#
# Runnables joined by `|`: each takes what the one before it returned.


# %%
def build_chain(retriever, llm):
    """Return a Runnable from a question (str) to a dict: question, passages, answer, citations.

    Without passages the model is not asked. An answer without a mark that holds becomes
    NOT_COVERED, with no citations.
    """
    raise NotImplementedError("build_chain: gather, ask, check")


# %% [markdown]
# ## Try it
#
# With a reader that only quotes; then, if you like, with the 135M model: how many of its marks
# hold?

# %%
if __name__ == "__main__":
    from exercises.week7.reader import read

    lessons = [d for d in corpus.documents("en") if d.unit in ("week5", "week7")]
    retriever = VectorRetriever(documents=split(lessons), embed=corpus.embed, least=0.3)
    QUESTIONS = ["Why does one of the two LoRA matrices begin with zeros?", *corpus.uncovered()[:1]]
    model = LocalLLM(complete=read)
    print(numbered(retriever.invoke(QUESTIONS[0]))[:600], "\n...")

    WITH_MODEL = False  # True: SmolLM2-135M answers, a minute or so
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
    # batch() asks from several threads at once, which one llama.cpp model does not bear.
    for result in map(chain.invoke, QUESTIONS):
        print("\nQ:", result["question"], "\nA:", result["answer"])
        for citation in result["citations"]:
            print(f"   [{citation.number}] {place(citation.passage)}")
