# caught by: embedding
# patch: Returns numpy's arrays; LlamaIndex stores lists of float.


class MiniLM(BaseEmbedding):
    """encode: a list of texts to vectors (n, d) of length 1, for example corpus.embed."""

    encode: Callable[[list[str]], Any]

    def _get_text_embeddings(self, texts):
        """Return the vectors of many texts as lists of float, in one call of encode."""
        return list(self.encode(list(texts)))

    def _get_text_embedding(self, text):
        return self._get_text_embeddings([text])[0]

    def _get_query_embedding(self, query):
        return self._get_text_embeddings([query])[0]

    async def _aget_query_embedding(self, query):
        return self._get_query_embedding(query)
