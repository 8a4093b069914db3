# caught by: ivf
# patch: Trains on the first vectors only: no fair sample of the rest.


def ivf_index(vectors, clusters):
    """Return an IVF index with so many clusters, trained on the vectors, all of them in it."""
    d = vectors.shape[1]
    quantizer = faiss.IndexFlatIP(d)
    index = faiss.IndexIVFFlat(quantizer, d, clusters, faiss.METRIC_INNER_PRODUCT)
    index.train(vectors[: 4 * clusters])
    index.add(vectors)
    return index
