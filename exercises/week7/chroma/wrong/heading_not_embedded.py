# caught by: stored
# patch: Embeds the text alone.


def add(collection, document, embed):
    """Store a document's passages: text, vector, and metadata "document", "heading", "lang",
    "unit", "sha256" (its fingerprint). What is embedded is "title > heading\ntext"."""
    passages = passages_of(document)
    if not passages:
        return  # Chroma refuses empty lists
    where = {"document": document.id, "lang": document.lang, "unit": document.unit}
    where["sha256"] = fingerprint(document)
    collection.add(
        ids=[f"{document.id}#{n}" for n in range(len(passages))],
        embeddings=embed([text for _, text in passages]),
        documents=[text for _, text in passages],
        metadatas=[{**where, "heading": heading} for heading, _ in passages],
    )
