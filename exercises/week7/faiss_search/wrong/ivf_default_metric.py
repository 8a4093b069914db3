# caught by: ivf
# patch: The metric is left out, and IndexIVFFlat takes L2.


def ivf_index(vectors, clusters):
    """Return an IVF index with so many clusters, trained on the vectors, all of them in it."""
    d = vectors.shape[1]
    quantizer = faiss.IndexFlatIP(d)
    index = faiss.IndexIVFFlat(quantizer, d, clusters)
    index.train(vectors)
    index.add(vectors)
    return index
