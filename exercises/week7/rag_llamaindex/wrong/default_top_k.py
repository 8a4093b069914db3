# caught by: response
# patch: similarity_top_k is not passed on: two sources, whatever k is.


def build_engine(index, llm, k=4, cutoff=0.0):
    """Return a query engine: engine.query(question) gives a Response.

    response: the answer, in which each mark [n] names a source that there is; other marks are
    taken out. source_nodes: the nodes as numbered in the prompt, best first, of at least the score
    `cutoff`, at most k. metadata["citations"]: the numbers of the marks, in order.
    Without sources the model is not asked; then, and where no mark is left, it is NOT_COVERED.
    """
    return CitedEngine(retriever=index.as_retriever(), llm=llm, cutoff=cutoff)
