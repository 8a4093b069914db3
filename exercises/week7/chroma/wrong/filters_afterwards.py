# caught by: searched
# patch: Takes the k best and filters them: fewer than k are left.


def search(collection, embed, question, k=5, lang=None, unit=None):
    """Return the k best Hits, best first; with lang and unit only from such documents.

    The filter is Chroma's: filtering afterwards would leave fewer than k.
    """
    found = collection.query(
        query_embeddings=embed([question]),
        n_results=k,
        include=["documents", "metadatas", "distances"],
    )
    rows = zip(found["distances"][0], found["metadatas"][0], found["documents"][0], strict=True)
    return [
        Hit(1 - distance, m["document"], m["heading"], text)
        for distance, m, text in rows
        if lang in (None, m["lang"]) and unit in (None, m["unit"])
    ]
