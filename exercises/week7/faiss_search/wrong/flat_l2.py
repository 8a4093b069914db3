# caught by: flat
# patch: The first index of the tutorial: squared distances instead of cosines.


def flat_index(vectors):
    """Return an exact index of the vectors (n, d)."""
    index = faiss.IndexFlatL2(vectors.shape[1])
    index.add(vectors)
    return index
