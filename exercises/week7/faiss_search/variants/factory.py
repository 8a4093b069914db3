# Another style: index_factory strings, numpy pooling, sorted by length, search parameters.

# %%
import math
import time

import faiss
import numpy as np
import torch
from PIL import Image, ImageDraw


def embed(texts, model, tokenizer, batch_size=32):
    order = sorted(range(len(texts)), key=lambda n: len(texts[n]))
    out = np.zeros((len(texts), model.config.hidden_size), dtype=np.float32)
    for begin in range(0, len(order), batch_size):
        places = order[begin : begin + batch_size]
        made = tokenizer([texts[n] for n in places], padding="longest", truncation=True,
                         max_length=256, return_tensors="pt")  # fmt: skip
        with torch.inference_mode():
            states = model(**made)[0].numpy()
        for n, state, mask in zip(places, states, made["attention_mask"].numpy(), strict=True):
            mean = state[mask.astype(bool)].mean(axis=0)
            out[n] = mean / math.sqrt(float(mean @ mean))
    return out


# %%
def _made(recipe, vectors):
    index = faiss.index_factory(vectors.shape[1], recipe, faiss.METRIC_INNER_PRODUCT)
    index.train(vectors)
    index.add(vectors)
    return index


def flat_index(vectors):
    return _made("Flat", vectors)


def ivf_index(vectors, clusters):
    return _made(f"IVF{clusters},Flat", vectors)


def hnsw_index(vectors, links):
    return _made(f"HNSW{links},Flat", vectors)


# %%
def search(index, passages, queries, k):
    answers = []
    for query in queries:
        scores, ids = index.search(query[None], k)
        kept = ids[0] != -1
        answers.append(
            [(s, passages[i]) for s, i in zip(scores[0][kept], ids[0][kept], strict=True)]
        )
    return answers


def recall(found, exact):
    same = (np.asarray(found)[:, :, None] == np.asarray(exact)[:, None, :]).any(axis=1)
    return same.mean()


def sweep(name, index, values, queries, exact):
    rows = []
    for value in values:
        if name == "IVF":
            how = faiss.SearchParametersIVF(nprobe=value)
            counter = faiss.cvar.indexIVF_stats
        else:
            how = faiss.SearchParametersHNSW(efSearch=value)
            counter = faiss.cvar.hnsw_stats
        before = counter.ndis
        start = time.time()
        ids = index.search(queries, len(exact[0]), params=how)[1]
        spent = max(time.time() - start, 1e-6)
        work = counter.ndis - before
        rows.append(
            {
                "index": name,
                "setting": value,
                "recall": recall(ids, exact),
                "compared": work / len(queries),
                "milliseconds": spent / len(queries) * 1e3,
            }
        )
    return rows


def cheapest(rows, least):
    for row in sorted(rows, key=lambda row: row["compared"]):
        if row["recall"] >= least:
            return row
    return None


# %%
def plot(rows, path):
    canvas = Image.new("RGBA", (900, 600), (250, 250, 250, 255))
    pen = ImageDraw.Draw(canvas)
    for row in sorted(rows, key=lambda row: row["recall"]):
        x = 80 * math.log(row["compared"], 2) - 300
        y = 580 - 560 * row["recall"]
        colour = (31, 119, 180) if row["index"] == "IVF" else (255, 127, 14)
        pen.ellipse([x - 7, y - 7, x + 7, y + 7], fill=colour)
    canvas.save(path)
