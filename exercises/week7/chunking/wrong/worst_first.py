# caught by: compare
# patch: argsort without the minus: the worst chunks come first.


def compare(documents, questions, embed, sizes, share, budget):
    """Return one row (dict of COLUMNS) for each size, in order.

    embed: texts to vectors (n, d) of length 1. overlap: int(share * size) tokens. chunks: how
    many. too_long: the share of chunks whose text has more than corpus.MOST_TOKENS tokens.
    hit@budget: the share of questions with a hit among the chunks within the budget.
    """
    asked = embed([question.text for question in questions])
    rows = []
    for size in sizes:
        overlap = int(share * size)
        chunks = [chunk for document in documents for chunk in split(document, size, overlap)]
        scores = asked @ embed([chunk.text for chunk in chunks]).T  # (questions, chunks)
        order = np.argsort(scores, axis=1, kind="stable")
        ranked = [[chunks[n] for n in row] for row in order]
        pairs = list(zip(ranked, questions, strict=True))
        lengths = [corpus.count_tokens(chunk.text) for chunk in chunks]
        rows.append(
            {
                "size": size,
                "overlap": overlap,
                "chunks": len(chunks),
                "too_long": sum(n > corpus.MOST_TOKENS for n in lengths) / len(chunks),
                **measures([rank(some, question) for some, question in pairs]),
                "hit@budget": float(
                    np.mean([rank(within_budget(s, budget), q) is not None for s, q in pairs])
                ),
            }
        )
    return rows
