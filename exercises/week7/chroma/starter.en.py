# %% [markdown]
# # A persistent store with Chroma
#
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Check with `tutor check week7/chroma`.
#
# What a database adds to a bare index: it is there after a restart, it knows what each vector is,
# it filters, and it changes with the documents without embedding all of them again.

# %%
import hashlib  # noqa: F401
from dataclasses import dataclass

import chromadb  # noqa: F401
from chromadb.config import Settings  # noqa: F401

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
    raise NotImplementedError("open_store: a collection on disk, by cosine")


# %% [markdown]
# ## 2. Bring it up to date


# %%
def fingerprint(document):
    """Return a hash of the document's text."""
    raise NotImplementedError("fingerprint: a hash of the text")


def add(collection, document, embed):
    """Store a document's passages: text, vector, and metadata "document", "heading", "lang",
    "unit", "sha256" (its fingerprint). What is embedded is "title > heading\ntext"."""
    raise NotImplementedError("add: a document's passages, with vectors and metadata")


def remove(collection, document_id):
    """Delete a document's passages and return how many there were; 0 where it is unknown."""
    raise NotImplementedError("remove: a document's passages, and how many")


def sync(collection, documents, embed):
    """Make the store hold exactly these documents; return how many of them were
    {"added", "updated", "removed", "unchanged"}.

    embed: texts to vectors (n, d) of length 1. It sees the passages of new and changed documents
    only. Of a changed document no old passage stays.
    """
    raise NotImplementedError("sync: embed what is new or changed, delete what is gone")


# %% [markdown]
# ## 3. Search


# %%
def search(collection, embed, question, k=5, lang=None, unit=None):
    """Return the k best Hits, best first; with lang and unit only from such documents.

    The filter is Chroma's: filtering afterwards would leave fewer than k.
    """
    raise NotImplementedError("search: the k best, filtered by Chroma")


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
