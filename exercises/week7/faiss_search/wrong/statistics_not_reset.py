# caught by: sweep
# The statistics are never reset: each row counts all work so far.
# %% [markdown]
# # Exact and approximate search with FAISS
#
# Embed sentences, search them exactly, then with two indexes that look at a part of the vectors
# only: IVF and HNSW. What they save and what they miss is measured, and drawn.
#
# n: number of vectors, d: numbers in each (384), q: number of queries.

# %%
import time

import faiss
import numpy as np
import torch
from PIL import Image, ImageDraw

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
    rows = []
    for start in range(0, len(texts), batch_size):
        batch = tokenizer(
            list(texts[start : start + batch_size]),
            padding=True,
            truncation=True,
            max_length=MOST_TOKENS,
            return_tensors="pt",
        )
        hidden = model(**batch).last_hidden_state  # (batch, tokens, d)
        mask = batch["attention_mask"].unsqueeze(-1)  # (batch, tokens, 1)
        pooled = (hidden * mask).sum(1) / mask.sum(1)
        rows.append(torch.nn.functional.normalize(pooled, dim=-1))
    return torch.cat(rows).numpy()


# %% [markdown]
# ## 2. Three indexes
#
# All compare by inner product, which is the cosine for vectors of length 1.


# %%
def flat_index(vectors):
    """Return an exact index of the vectors (n, d)."""
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return index


def ivf_index(vectors, clusters):
    """Return an IVF index with so many clusters, trained on the vectors, all of them in it."""
    d = vectors.shape[1]
    quantizer = faiss.IndexFlatIP(d)
    index = faiss.IndexIVFFlat(quantizer, d, clusters, faiss.METRIC_INNER_PRODUCT)
    index.train(vectors)
    index.add(vectors)
    return index


def hnsw_index(vectors, links):
    """Return an HNSW index of the vectors; each has `links` neighbours on the upper levels."""
    index = faiss.IndexHNSWFlat(vectors.shape[1], links, faiss.METRIC_INNER_PRODUCT)
    index.add(vectors)
    return index


# %% [markdown]
# ## 3. From a question to passages


# %%
def search(index, passages, queries, k):
    """Return for each query vector its passages, best first: lists of (score, passage).

    passages: n texts, in the order of the index's vectors. FAISS fills up with the id -1 where it
    found fewer than k; such places are left out.
    """
    scores, ids = index.search(queries, k)
    return [
        [(float(score), passages[i]) for score, i in zip(*row, strict=True) if i >= 0]
        for row in zip(scores, ids, strict=True)
    ]


# %% [markdown]
# ## 4. What approximation costs


# %%
def recall(found, exact):
    """Return the mean share of the exact neighbours that were found, whatever their order.

    found, exact: ids (q, k); -1 in `found` is no neighbour.
    """
    shares = [len(set(f) & set(e)) / len(e) for f, e in zip(found, exact, strict=True)]
    return float(np.mean(shares))


def sweep(name, index, values, queries, exact):
    """Return one row for each value of nprobe (name "IVF") or efSearch ("HNSW"), in order.

    A row: {"index": name, "setting": value, "recall": of `exact` (q, k),
    "compared": vectors that the query was compared with, mean over the queries,
    "milliseconds": for one query}.
    """
    stats = faiss.cvar.indexIVF_stats if name == "IVF" else faiss.cvar.hnsw_stats
    rows = []
    for value in values:
        if name == "IVF":
            index.nprobe = value
        else:
            index.hnsw.efSearch = value
        began = time.perf_counter()
        _, found = index.search(queries, exact.shape[1])
        seconds = time.perf_counter() - began
        rows.append(
            {
                "index": name,
                "setting": value,
                "recall": recall(found, exact),
                "compared": stats.ndis / len(queries),
                "milliseconds": 1000 * seconds / len(queries),
            }
        )
    return rows


def cheapest(rows, least):
    """Return the row with the fewest comparisons among those of recall >= least, or None."""
    enough = [row for row in rows if row["recall"] >= least]
    return min(enough, key=lambda row: row["compared"], default=None)


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
    width, height, margin = 700, 460, 60
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    xs = np.log10([row["compared"] for row in rows])
    ys = [row["recall"] for row in rows]
    x_span, y_span = max(np.ptp(xs), 1e-9), max(np.ptp(ys), 1e-9)
    places = [
        (
            margin + (x - min(xs)) / x_span * (width - 2 * margin),
            height - margin - (y - min(ys)) / y_span * (height - 2 * margin),
        )
        for x, y in zip(xs, ys, strict=True)
    ]
    draw.line((margin, height - 25, width - margin, height - 25), fill="black")
    draw.text((margin, height - 20), "vectors compared (log)", fill="black")
    draw.text((margin, 10), "recall: blue IVF, orange HNSW", fill="black")
    for row, (x, y) in zip(rows, places, strict=True):
        draw.ellipse((x - 5, y - 5, x + 5, y + 5), fill=COLOURS[row["index"]])
        draw.text((x + 8, y + 4), f"{row['setting']}: {row['recall']:.2f}", fill="black")
    image.save(path, format="PNG")


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
