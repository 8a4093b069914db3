# %% [markdown]
# # A persistent store with Chroma
#
# What a database adds to a bare index: it is there after a restart, it knows what each vector is,
# it filters, and it changes with the documents without embedding all of them again.

# %%
import hashlib
from dataclasses import dataclass

import chromadb
from chromadb.config import Settings

from exercises import lab
from exercises.week7 import corpus

NAME = "lessons"
LONGEST = 700  # characters of a passage


@dataclass(frozen=True)
class Hit:
    """A passage that was found. score: the cosine, 1 - Chroma's distance."""

    score: float
    document: str
    heading: str
    text: str


def passages_of(document):
    """Return a corpus.Document's passages in order: (heading, text), whole paragraphs each."""
    found = []
    for section in corpus.sections(document):
        text = ""
        for paragraph in section.text.split("\n\n"):
            if text and len(text) + len(paragraph) > LONGEST:
                found.append((section.heading, text))
                text = ""
            text = f"{text}\n\n{paragraph}".strip()
        found.append((section.heading, text))
    return found


# %% [markdown]
# ## 1. Open
#
# Without embedding_function=None Chroma brings one of its own, and would download a model. Which
# encoder made the vectors is part of the store: another one's vectors would be plausible nonsense.


# %%
def open_store(folder, encoder="minilm"):
    """Return the collection NAME in the folder, made if it is not there.

    It compares by cosine, has no embedding function, sends no telemetry, and bears the encoder's
    name in its metadata. Raises ValueError, which names it, where it was made with another encoder.
    """
    client = chromadb.PersistentClient(
        path=str(folder), settings=Settings(anonymized_telemetry=False)
    )
    collection = client.get_or_create_collection(
        NAME,
        embedding_function=None,
        configuration={"hnsw": {"space": "cosine"}},
        metadata={"encoder": encoder},
    )
    made_with = collection.metadata["encoder"]
    if made_with != encoder:
        raise ValueError(f"the store was made with {made_with!r}, not with {encoder!r}")
    return collection


# %% [markdown]
# ## 2. Bring it up to date


# %%
def fingerprint(document):
    """Return a hash of the document's text."""
    return hashlib.sha256(document.text.encode()).hexdigest()


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
        embeddings=embed([f"{document.title} > {h}\n{text}" for h, text in passages]),
        documents=[text for _, text in passages],
        metadatas=[{**where, "heading": heading} for heading, _ in passages],
    )


def remove(collection, document_id):
    """Delete a document's passages and return how many there were; 0 where it is unknown."""
    ids = collection.get(where={"document": document_id}, include=[])["ids"]
    if ids:
        collection.delete(ids=ids)
    return len(ids)


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
        remove(collection, document.id)
        add(collection, document, embed)
    for gone in known:
        done["removed"] += 1
        remove(collection, gone)
    return done


# %% [markdown]
# ## 3. Search


# %%
def search(collection, embed, question, k=5, lang=None, unit=None):
    """Return the k best Hits, best first; with lang and unit only from such documents.

    The filter is Chroma's: filtering afterwards would leave fewer than k.
    """
    wanted = [{name: x} for name, x in (("lang", lang), ("unit", unit)) if x is not None]
    where = {"$and": wanted} if len(wanted) > 1 else (wanted[0] if wanted else None)
    found = collection.query(
        query_embeddings=embed([question]),
        n_results=k,
        where=where,
        include=["documents", "metadatas", "distances"],
    )
    rows = zip(found["distances"][0], found["metadatas"][0], found["documents"][0], strict=True)
    return [Hit(1 - distance, m["document"], m["heading"], text) for distance, m, text in rows]


# %% [markdown]
# ## Try it
#
# Run it twice: the second time nothing is embedded.

# %%
if __name__ == "__main__":
    store = open_store(lab.run_dir() / "store")
    lessons = [
        d for lang in ("en", "zh") for d in corpus.documents(lang) if d.unit in ("week5", "week7")
    ]
    print(sync(store, lessons, corpus.embed), store.count(), "passages")
    for lang in ("en", "zh"):
        print()
        for hit in search(store, corpus.embed, "Why does IVF miss neighbours?", 3, lang=lang):
            print(f"{hit.score:.3f}  {hit.document}  {hit.heading}")
