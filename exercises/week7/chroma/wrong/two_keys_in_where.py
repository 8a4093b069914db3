# caught by: searched
# patch: Two conditions in one dictionary, which Chroma refuses.


def search(collection, embed, question, k=5, lang=None, unit=None):
    """Return the k best Hits, best first; with lang and unit only from such documents.

    The filter is Chroma's: filtering afterwards would leave fewer than k.
    """
    wanted = [{name: x} for name, x in (("lang", lang), ("unit", unit)) if x is not None]
    where = {"lang": lang, "unit": unit} if len(wanted) > 1 else (wanted[0] if wanted else None)
    found = collection.query(
        query_embeddings=embed([question]),
        n_results=k,
        where=where,
        include=["documents", "metadatas", "distances"],
    )
    rows = zip(found["distances"][0], found["metadatas"][0], found["documents"][0], strict=True)
    return [Hit(1 - distance, m["document"], m["heading"], text) for distance, m, text in rows]
