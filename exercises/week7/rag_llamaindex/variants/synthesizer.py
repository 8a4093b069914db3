# Another style: a node parser by hand, a retriever query engine with a synthesizer of our own.

# %%
import re
from typing import Any

from llama_index.core import VectorStoreIndex
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.llms import CompletionResponse, CustomLLM, LLMMetadata
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import BaseSynthesizer
from llama_index.core.schema import TextNode

from exercises.week7 import corpus

NOT_COVERED = "The documents do not say."


class MiniLM(BaseEmbedding):
    encode: Any

    def _get_query_embedding(self, query):
        return [float(x) for x in self.encode([query])[0]]

    def _get_text_embedding(self, text):
        return [float(x) for x in self.encode([text])[0]]

    def _get_text_embeddings(self, texts):
        return [[float(x) for x in row] for row in self.encode(texts)]

    async def _aget_query_embedding(self, query):
        return self._get_query_embedding(query)

    async def _aget_text_embedding(self, text):
        return self._get_text_embedding(text)


# %%
def make_nodes(documents, size=120, overlap=20):
    nodes = []
    for document in documents:
        for section in corpus.sections(document):
            spans = corpus.tokenizer().encode(section.text, add_special_tokens=False).offsets
            for first in range(0, max(1, len(spans) - overlap), size - overlap):
                some = spans[first : first + size]
                node = TextNode(text=section.text[some[0][0] : some[-1][1]])
                node.metadata = {
                    "title": section.title,
                    "heading": section.heading,
                    "document": section.document,
                }
                node.excluded_embed_metadata_keys = ["document"]
                node.excluded_llm_metadata_keys = ["document"]
                nodes.append(node)
    return nodes


def build_index(nodes, encode):
    index = VectorStoreIndex(nodes=[], embed_model=MiniLM(encode=encode))
    index.insert_nodes(nodes)
    return index


# %%
class LocalLLM(CustomLLM):
    generate: Any
    context: int = 2048
    most_tokens: int = 256

    @property
    def metadata(self):
        return LLMMetadata(context_window=self.context, num_output=self.most_tokens)

    def complete(self, prompt, formatted=False, **kwargs):
        last = None
        for last in self.stream_complete(prompt):  # noqa: B007
            pass
        return CompletionResponse(text=last.text if last else "")

    def stream_complete(self, prompt, formatted=False, **kwargs):
        so_far = []
        for piece in self.generate(prompt):
            so_far.append(piece)
            yield CompletionResponse(text="".join(so_far), delta=piece)


# %%
class Quoting(BaseSynthesizer):
    def _get_prompts(self):
        return {}

    def _update_prompts(self, prompts):
        pass

    async def aget_response(self, query_str, text_chunks, **kwargs):
        return self.get_response(query_str, text_chunks)

    def get_response(self, query_str, text_chunks, **kwargs):
        lines = [f"Use only these sources. If none helps say: {NOT_COVERED}"]
        for n, chunk in enumerate(text_chunks, start=1):
            lines += ["", f"Source {n}: ", chunk]
        lines += ["", "Query: " + query_str]
        return self._llm.complete("\n".join(lines)).text


class Engine(RetrieverQueryEngine):
    def _query(self, query_bundle):
        nodes = self.retrieve(query_bundle)
        if not nodes:
            made = self._response_synthesizer.synthesize(query_bundle, nodes=[])
            made.response, made.metadata = NOT_COVERED, {"citations": []}
            return made
        made = self._response_synthesizer.synthesize(query_bundle, nodes=nodes)
        kept = []

        def keep(match):
            number = int(match[1])
            if 0 < number <= len(nodes):
                kept.append(number)
                return match[0]
            return ""

        text = re.sub(r" *\[(\d+)\]", keep, made.response)
        made.response, made.metadata = (text if kept else NOT_COVERED), {"citations": kept}
        return made


def build_engine(index, llm, k=4, cutoff=0.0):
    return Engine(
        retriever=index.as_retriever(similarity_top_k=k),
        response_synthesizer=Quoting(llm=llm),
        node_postprocessors=[SimilarityPostprocessor(similarity_cutoff=cutoff)],
    )
