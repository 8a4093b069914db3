# Another style: a hash for each passage, diffs of ids, one upsert for all that is new.

# %%
from collections import namedtuple
from hashlib import blake2b

import chromadb

from exercises.week7 import corpus

Hit = namedtuple("Hit", "score document heading text")


def passages_of(document):
    out = []
    for section in corpus.sections(document):
        blocks = section.text.split("\n\n")
        while blocks:
            text = blocks.pop(0).strip()
            while blocks and len(text) + len(blocks[0]) <= 700:
                text = (text + "\n\n" + blocks.pop(0)).strip()
            out.append((section.heading, text))
    return out


# %%
def open_store(folder, encoder="minilm"):
    settings = chromadb.Settings(anonymized_telemetry=False)
    client = chromadb.PersistentClient(str(folder), settings)
    names = [found.name for found in client.list_collections()]
    if "passages" not in names:
        return client.create_collection(
            "passages",
            configuration={"hnsw": {"space": "cosine"}},
            metadata={"encoder": encoder},
            embedding_function=None,
        )
    store = client.get_collection("passages", embedding_function=None)
    if store.metadata.get("encoder") != encoder:
        raise ValueError("vectors of " + str(store.metadata.get("encoder")) + " cannot be mixed")
    return store


# %%
def sync(collection, documents, embed):
    wanted = {document.id: document for document in documents}
    stored = {m["document"]: m["sha256"] for m in collection.get()["metadatas"]}
    hashes = {n: blake2b(d.text.encode("utf-8")).hexdigest() for n, d in wanted.items()}
    counts = {
        "added": len(wanted.keys() - stored.keys()),
        "removed": len(stored.keys() - wanted.keys()),
        "unchanged": sum(stored.get(n) == h for n, h in hashes.items()),
    }
    counts["updated"] = len(wanted) - counts["added"] - counts["unchanged"]
    for name in stored:
        if stored[name] != hashes.get(name):
            remove(collection, name)
    ids, texts, bodies, metadatas = [], [], [], []
    for name, document in wanted.items():
        if stored.get(name) == hashes[name]:
            continue
        for n, (heading, body) in enumerate(passages_of(document)):
            ids.append(f"{name}/{n}")
            texts.append(document.title + " > " + heading + "\n" + body)
            bodies.append(body)
            metadatas.append({"document": name, "heading": heading, "lang": document.lang,
                              "unit": document.unit, "sha256": hashes[name]})  # fmt: skip
    if ids:
        vectors = [row.tolist() for row in embed(texts)]
        collection.upsert(ids, vectors, metadatas, bodies)
    return counts


def remove(collection, document_id):
    before = collection.count()
    if before:
        collection.delete(where={"document": document_id})
    return before - collection.count()


# %%
def search(collection, embed, question, k=5, lang=None, unit=None):
    conditions = [{key: {"$eq": x}} for key, x in {"lang": lang, "unit": unit}.items() if x]
    how = {"n_results": k, "query_embeddings": [embed([question])[0].tolist()]}
    if len(conditions) == 1:
        how["where"] = conditions[0]
    elif conditions:
        how["where"] = {"$and": conditions}
    answer = collection.query(**how)
    columns = (answer["distances"][0], answer["metadatas"][0], answer["documents"][0])
    return [
        Hit(1.0 - far, meta["document"], meta["heading"], body)
        for far, meta, body in zip(*columns, strict=True)
    ]
