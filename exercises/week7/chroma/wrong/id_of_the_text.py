# caught by: stored
# patch: The id is a hash of the text: equal passages of two documents become one.


def add(collection, document, embed):
    """Store a document's passages: text, vector, and metadata "document", "heading", "lang",
    "unit", "sha256" (its fingerprint). What is embedded is "title > heading\ntext"."""
    passages = passages_of(document)
    if not passages:
        return  # Chroma refuses empty lists
    where = {"document": document.id, "lang": document.lang, "unit": document.unit}
    where["sha256"] = fingerprint(document)
    collection.upsert(
        ids=[hashlib.sha256(text.encode()).hexdigest() for _, text in passages],
        embeddings=embed([f"{document.title} > {h}\n{text}" for h, text in passages]),
        documents=[text for _, text in passages],
        metadatas=[{**where, "heading": heading} for heading, _ in passages],
    )
