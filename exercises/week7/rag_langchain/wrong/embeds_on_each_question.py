# caught by: retriever
# patch: Embeds all documents again at each question.


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
        super().model_post_init(context)
        self._vectors = self.embed([f"{place(d)}\n{d.page_content}" for d in self.documents])

    def _get_relevant_documents(self, query, *, run_manager):
        self.model_post_init(None)
        scores = self._vectors @ self.embed([query])[0]
        best = np.argsort(-scores, kind="stable")[: self.k]
        return [
            Document(
                page_content=self.documents[n].page_content,
                metadata={**self.documents[n].metadata, "score": float(scores[n])},
            )
            for n in best
            if scores[n] >= self.least
        ]
