# %% [markdown]
# # Exact and approximate search with FAISS
#
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Check with `tutor check week7/faiss_search`.
#
# Embed sentences, search them exactly, then with two indexes that look at a part of the vectors
# only: IVF and HNSW. What they save and what they miss is measured, and drawn.
#
# n: number of vectors, d: numbers in each (384), q: number of queries.

# %%
import time  # noqa: F401

import faiss  # noqa: F401
import numpy as np  # noqa: F401
import torch
from PIL import Image, ImageDraw  # noqa: F401

from exercises import lab
from exercises.week7 import corpus

COLOURS = {"IVF": "#1f77b4", "HNSW": "#ff7f0e"}
MOST_TOKENS = 256  # what the encoder reads of a text

# %% [markdown]
# ## 1. Sentence vectors
#
# The encoder gives one vector a token. Their mean is the vector of the text; padding is no token
# of it.


# %%
@torch.no_grad()
def embed(texts, model, tokenizer, batch_size=32):
    """Return the texts' vectors in the order of the texts: float32 (n, d), each of length 1.

    A text's vector is the mean over its tokens ([CLS] and [SEP] too), whatever texts share its
    batch. Texts are cut at MOST_TOKENS.
    """
    raise NotImplementedError("embed: tokenize, mean over the mask, normalize")


# %% [markdown]
# ## 2. Three indexes
#
# All compare by inner product, which is the cosine for vectors of length 1.


# %%
def flat_index(vectors):
    """Return an exact index of the vectors (n, d)."""
    raise NotImplementedError("flat_index: an exact index by inner product")


def ivf_index(vectors, clusters):
    """Return an IVF index with so many clusters, trained on the vectors, all of them in it."""
    raise NotImplementedError("ivf_index: clusters, trained, filled")


def hnsw_index(vectors, links):
    """Return an HNSW index of the vectors; each has `links` neighbours on the upper levels."""
    raise NotImplementedError("hnsw_index: a graph, by inner product")


# %% [markdown]
# ## 3. From a question to passages


# %%
def search(index, passages, queries, k):
    """Return for each query vector its passages, best first: lists of (score, passage).

    passages: n texts, in the order of the index's vectors. FAISS fills up with the id -1 where it
    found fewer than k; such places are left out.
    """
    raise NotImplementedError("search: passages instead of ids")


# %% [markdown]
# ## 4. What approximation costs


# %%
def recall(found, exact):
    """Return the mean share of the exact neighbours that were found, whatever their order.

    found, exact: ids (q, k); -1 in `found` is no neighbour.
    """
    raise NotImplementedError("recall: how many of the exact neighbours were found")


def sweep(name, index, values, queries, exact):
    """Return one row for each value of nprobe (name "IVF") or efSearch ("HNSW"), in order.

    A row: {"index": name, "setting": value, "recall": of `exact` (q, k),
    "compared": vectors that the query was compared with, mean over the queries,
    "milliseconds": for one query}.
    """
    raise NotImplementedError("sweep: set, search, count, for each value")


def cheapest(rows, least):
    """Return the row with the fewest comparisons among those of recall >= least, or None."""
    raise NotImplementedError("cheapest: the least work that recalls enough")


# %% [markdown]
# ## 5. The trade, drawn
#
# To the right: more comparisons, on a logarithmic scale. Upwards: more recall.


# %%
def plot(rows, path):
    """Draw a filled dot of COLOURS[row["index"]] for each row, as PNG.

    x is linear in log(compared), growing to the right; y is linear in recall, growing upwards;
    both scales are the same for all dots. Nothing else bears these colours.
    """
    raise NotImplementedError("plot: one dot for each row, as PNG")


# %% [markdown]
# ## Try it
#
# The sentences of all lessons. The first time takes a minute or two: they are embedded.

# %%
if __name__ == "__main__":
    questions = [question.text for question in corpus.questions("en")]
    print("your vectors:", embed(questions[:5], *lab.load_encoder()).shape)
    sentences = corpus.sentences()
    vectors = corpus.embed(sentences)  # MiniLM's, as yours, but kept in a cache
    queries = corpus.embed(questions)
    flat = flat_index(vectors)
    for score, sentence in search(flat, sentences, queries[:1], 3)[0]:
        print(f"{score:.3f}  {sentence[:90]}")
    _, exact = flat.search(queries, 10)
    rows = sweep("IVF", ivf_index(vectors, 40), [1, 2, 4, 8, 16, 40], queries, exact)
    rows += sweep("HNSW", hnsw_index(vectors, 16), [10, 20, 40, 80, 160], queries, exact)
    for row in rows:
        print({name: x if isinstance(x, str) else round(x, 3) for name, x in row.items()})
    print(len(sentences), "vectors; recall of 0.95 costs least with", cheapest(rows, 0.95))
    plot(rows, lab.run_dir() / "recall.png")
    print("drawn:", lab.run_dir() / "recall.png")
