# caught by: updated
# patch: upsert alone: a document that became shorter keeps its old last passages.


def add(collection, document, embed):
    """Store a document's passages: text, vector, and metadata "document", "heading", "lang",
    "unit", "sha256" (its fingerprint). What is embedded is "title > heading\ntext"."""
    passages = passages_of(document)
    if not passages:
        return  # Chroma refuses empty lists
    where = {"document": document.id, "lang": document.lang, "unit": document.unit}
    where["sha256"] = fingerprint(document)
    collection.upsert(
        ids=[f"{document.id}#{n}" for n in range(len(passages))],
        embeddings=embed([f"{document.title} > {h}\n{text}" for h, text in passages]),
        documents=[text for _, text in passages],
        metadatas=[{**where, "heading": heading} for heading, _ in passages],
    )


def sync(collection, documents, embed):
    """Make the store hold exactly these documents; return how many of them were
    {"added", "updated", "removed", "unchanged"}.

    embed: texts to vectors (n, d) of length 1. It sees the passages of new and changed documents
    only. Of a changed document no old passage stays.
    """
    stored = collection.get(include=["metadatas"])["metadatas"]
    known = {metadata["document"]: metadata["sha256"] for metadata in stored}
    done = {"added": 0, "updated": 0, "removed": 0, "unchanged": 0}
    for document in documents:
        before = known.pop(document.id, None)
        if before == fingerprint(document):
            done["unchanged"] += 1
            continue
        done["added" if before is None else "updated"] += 1
        add(collection, document, embed)
    for gone in known:
        done["removed"] += 1
        remove(collection, gone)
    return done
