# %% [markdown]
# # RAG with LlamaIndex
#
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Check with `tutor check week7/rag_llamaindex`.
#
# The same pipeline in another house: nodes, an embedding model and an LLM of your own behind
# LlamaIndex' interfaces, a vector index, a retriever with a cutoff, and a query engine whose
# answers name their sources.

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
# ## 1. The embedding model
#
# LlamaIndex' default is a paid API. Yours is a function from texts to vectors.


# %%
class MiniLM(BaseEmbedding):
    """encode: a list of texts to vectors (n, d) of length 1, for example corpus.embed."""

    encode: Callable[[list[str]], Any]

    def _get_text_embeddings(self, texts):
        """Return the vectors of many texts as lists of float, in one call of encode."""
        raise NotImplementedError("MiniLM: the vectors of many texts, as lists of float")

    def _get_text_embedding(self, text):
        return self._get_text_embeddings([text])[0]

    def _get_query_embedding(self, query):
        return self._get_text_embeddings([query])[0]

    async def _aget_query_embedding(self, query):
        return self._get_query_embedding(query)


# %% [markdown]
# ## 2. Nodes


# %%
def make_nodes(documents, size=120, overlap=20):
    """Return the corpus.Documents as nodes, in order.

    A node's text is a piece of one section (corpus.sections) with at most `size` tokens
    (corpus.count_tokens). Metadata: "document" (its id), "title", "heading". Title and heading are
    embedded with the text (MetadataMode.EMBED); the document's id is in neither that nor what the
    LLM sees (MetadataMode.LLM).
    """
    raise NotImplementedError("make_nodes: sections into nodes with metadata")


def build_index(nodes, encode):
    """Return a VectorStoreIndex of the nodes with MiniLM(encode=encode)."""
    raise NotImplementedError("build_index: a VectorStoreIndex with MiniLM")


# %% [markdown]
# ## 3. The model


# %%
class LocalLLM(CustomLLM):
    """A function from a prompt to an iterable of pieces of text, as a LlamaIndex LLM."""

    generate: Callable[[str], Any]
    context: int = 2048
    most_tokens: int = 256

    @property
    def metadata(self):
        """The window decides how much LlamaIndex packs into a prompt: the model's true one."""
        raise NotImplementedError("LocalLLM.metadata: the window and the most tokens of an answer")

    @llm_completion_callback()
    def complete(self, prompt, formatted=False, **kwargs):
        """Return the whole text."""
        raise NotImplementedError("LocalLLM.complete: the whole text")

    @llm_completion_callback()
    def stream_complete(self, prompt, formatted=False, **kwargs):
        """Yield responses with `text`, all so far, and `delta`, the new piece."""
        raise NotImplementedError("LocalLLM.stream_complete: piece by piece")


# %% [markdown]
# ## 4. The query engine
#
# RetrieverQueryEngine and CitationQueryEngine would do most of this. Your own shows what happens:
# which nodes, which prompt, how many calls, and what is answered when nothing was found.


# %%
# To be written: the rule (only from the sources; marks; when to write NOT_COVERED), then the
# sources, and in the end a line "Question: ...".
PROMPT = "{sources}\n\n{question}"


def numbered(hits):
    """Return the NodeWithScore as text: "[1] title > heading", the node's text below it, an empty
    line."""
    raise NotImplementedError("numbered: [1] title > heading, and the text")


class CitedEngine(CustomQueryEngine):
    """Answers with marks [n] that name source_nodes[n - 1]."""

    retriever: Any
    llm: Any
    cutoff: float

    def custom_query(self, query_str):
        raise NotImplementedError("CitedEngine.custom_query: retrieve, ask, check, answer")


def build_engine(index, llm, k=4, cutoff=0.0):
    """Return a query engine: engine.query(question) gives a Response.

    response: the answer, in which each mark [n] names a source that there is; other marks are
    taken out. source_nodes: the nodes as numbered in the prompt, best first, of at least the score
    `cutoff`, at most k. metadata["citations"]: the numbers of the marks, in order.
    Without sources the model is not asked; then, and where no mark is left, it is NOT_COVERED.
    """
    return CitedEngine(retriever=index.as_retriever(similarity_top_k=k), llm=llm, cutoff=cutoff)


# %% [markdown]
# ## Try it
#
# With a reader that only quotes; then, if you like, with the 135M model.

# %%
if __name__ == "__main__":
    from exercises.week7.reader import read

    lessons = [d for d in corpus.documents("en") if d.unit in ("week5", "week7")]
    index = build_index(make_nodes(lessons), corpus.embed)
    model = LocalLLM(generate=lambda prompt: [read(prompt)])

    WITH_MODEL = False  # True: SmolLM2-135M answers, a minute or so
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
