# caught by: passages
# patch: The id -1, where nothing was found, becomes the last passage.


def search(index, passages, queries, k):
    """Return for each query vector its passages, best first: lists of (score, passage).

    passages: n texts, in the order of the index's vectors. FAISS fills up with the id -1 where it
    found fewer than k; such places are left out.
    """
    scores, ids = index.search(queries, k)
    return [
        [(float(score), passages[i]) for score, i in zip(*row, strict=True)]
        for row in zip(scores, ids, strict=True)
    ]
