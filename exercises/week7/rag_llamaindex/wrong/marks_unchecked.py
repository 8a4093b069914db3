# caught by: response
# patch: Believes every mark that the model writes.


class CitedEngine(CustomQueryEngine):
    """Answers with marks [n] that name source_nodes[n - 1]."""

    retriever: Any
    llm: Any
    cutoff: float

    def custom_query(self, query_str):
        hits = self.retriever.retrieve(query_str)
        hits = SimilarityPostprocessor(similarity_cutoff=self.cutoff).postprocess_nodes(hits)
        if not hits:
            return Response(NOT_COVERED, source_nodes=[], metadata={"citations": []})
        prompt = PROMPT.format(sources=numbered(hits), question=query_str)
        answer = self.llm.complete(prompt).text.strip()
        citations = [int(number) for number in re.findall(r"\[(\d+)\]", answer)]
        if not citations:
            answer = NOT_COVERED
        return Response(answer, source_nodes=hits, metadata={"citations": citations})
