"""Criteria of week7/faiss_search: every recall and every rank is computed again with numpy."""

from __future__ import annotations

from functools import cache

import faiss
import numpy as np

from exercises import lab
from exercises.week7 import corpus
from tutor.base.i18n import say

K = 10
faiss.omp_set_num_threads(1)  # with several an HNSW graph is another one each time
ROWS = [
    {"index": name, "setting": n, "recall": r, "compared": c, "milliseconds": 0.1}
    for name, n, r, c in (
        ("IVF", 1, 0.40, 60.0), ("IVF", 4, 0.75, 230.0), ("IVF", 16, 0.97, 900.0),
        ("HNSW", 10, 0.62, 100.0), ("HNSW", 40, 0.96, 400.0), ("HNSW", 80, 0.99, 600.0),
    )
]  # fmt: skip


@cache
def vectors():
    """The lessons' sentences, along one direction: the first thousand are no fair sample."""
    rows = corpus.embed(corpus.sentences())
    direction = np.linalg.svd(rows - rows.mean(0), full_matrices=False)[2][0]
    return np.ascontiguousarray(rows[np.argsort(rows @ direction)])


@cache
def queries():
    return corpus.embed([question.text for question in corpus.questions("en")])


@cache
def exact():
    """The ids of the K nearest vectors, without FAISS: (q, K)."""
    return np.argsort(-(queries() @ vectors().T), axis=1, kind="stable")[:, :K]


@cache
def encoder():
    return lab.load_encoder()


def recalled(found):
    return float(np.mean([len(set(f) & set(e)) / K for f, e in zip(found, exact(), strict=True)]))


@cache
def reference(texts):
    """One text at a time, so that there is no padding at all."""
    import torch

    model, tokenizer = encoder()
    rows = []
    for text in texts:
        batch = tokenizer(text, truncation=True, max_length=256, return_tensors="pt")
        with torch.no_grad():
            rows.append(model(**batch).last_hidden_state[0].mean(0).numpy())
    rows = np.stack(rows)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


TEXTS = (
    "Rank.",
    "An adapter is merged into the base model, and then there is no extra latency at all.",
    "nprobe",
    "Overlap a little. " * 90,
    "What does alpha scale?",
    "A passage must be small enough that its vector means one thing.",
    "索引",
)


def test_embed(run, figures):
    for size in (3, 32):
        got = np.asarray(run("embed", list(TEXTS), *encoder(), size))
        wanted = reference(TEXTS)
        assert got.shape == wanted.shape, say(
            f"for {len(TEXTS)} texts the result is {got.shape}, not {wanted.shape}",
            f"{len(TEXTS)} 个文本得到的形状是 {got.shape}，应为 {wanted.shape}",
        )
        assert got.dtype == np.float32, say(
            f"the vectors are {got.dtype}; FAISS takes float32",
            f"向量的类型是 {got.dtype}；FAISS 只接受 float32",
        )
        lengths = np.linalg.norm(got, axis=1)
        worst = lengths[np.abs(lengths - 1).argmax()]
        assert abs(worst - 1) < 1e-3, say(
            f"a vector has length {worst:.4f}, not 1: its inner products are no cosines",
            f"有向量的长度是 {worst:.4f} 而不是 1：内积就不是余弦了",
        )
        cosines = (got * wanted).sum(1)
        figures["least_cosine"] = float(cosines.min())
        n = int(cosines.argmin())
        assert cosines[n] > 0.999, say(
            f"in batches of {size}, the vector of {TEXTS[n][:40]!r} has a cosine of "
            f"{cosines[n]:.4f} with the mean of its own tokens, computed alone (1 is right)",
            f"批大小为 {size} 时，{TEXTS[n][:40]!r} 的向量与它单独计算的 token 均值"
            f"余弦为 {cosines[n]:.4f}（应为 1）",
        )


def check_index(index, name):
    assert index.metric_type == faiss.METRIC_INNER_PRODUCT, say(
        f"the {name} index compares by metric {index.metric_type} (1 is L2), not by inner product",
        f"{name} 索引用的度量是 {index.metric_type}（1 表示 L2），不是内积",
    )
    assert index.ntotal == len(vectors()), say(
        f"the {name} index holds {index.ntotal} of {len(vectors())} vectors",
        f"{name} 索引里有 {index.ntotal} 个向量，应有 {len(vectors())} 个",
    )


def test_flat(run):
    index = run("flat_index", vectors())
    scores, ids = index.search(queries(), K)
    wanted = np.take_along_axis(queries() @ vectors().T, exact(), axis=1)
    assert np.allclose(scores, wanted, atol=1e-4), say(
        f"the best score of the first query is {scores[0, 0]:.4f}; its largest cosine is "
        f"{wanted[0, 0]:.4f}",
        f"第一个查询的最高分是 {scores[0, 0]:.4f}；它的最大余弦是 {wanted[0, 0]:.4f}",
    )
    share = recalled(ids)
    assert share > 0.995, say(
        f"the flat index finds {share:.1%} of the true neighbours: it is not exact",
        f"Flat 索引只找到 {share:.1%} 的真正近邻：不是精确检索",
    )


def reference_ivf(clusters):
    d = vectors().shape[1]
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(d), d, clusters, faiss.METRIC_INNER_PRODUCT)
    index.train(vectors())
    index.add(vectors())
    return index


def test_ivf(run, figures):
    for clusters in (8, 24):
        index = run("ivf_index", vectors(), clusters)
        assert getattr(index, "nlist", None) == clusters, say(
            f"asked for {clusters} clusters, the index has {getattr(index, 'nlist', None)}",
            f"要求 {clusters} 个簇，索引里是 {getattr(index, 'nlist', None)} 个",
        )
        check_index(index, "IVF")
        index.nprobe = clusters
        whole = recalled(index.search(queries(), K)[1])
        assert whole > 0.995, say(
            f"with all {clusters} clusters visited recall@{K} is {whole:.3f}, not 1",
            f"{clusters} 个簇全部查看时，recall@{K} 是 {whole:.3f}，应为 1",
        )
        fit, wanted = closeness(index), closeness(reference_ivf(clusters))
        figures[f"closeness_of_{clusters}"] = fit
        assert fit >= 0.88 * wanted, say(
            f"the mean cosine of a vector with its nearest of {clusters} centroids is {fit:.3f}; "
            f"trained on all vectors it is {wanted:.3f}: these centroids fit a part of them only",
            f"向量与 {clusters} 个簇中心里最近一个的余弦，平均是 {fit:.3f}；在全部向量上训练时是 "
            f"{wanted:.3f}：这些簇中心只适合其中一部分向量",
        )


def closeness(index):
    """What k-means improves: the mean cosine of the vectors with their nearest centroid."""
    centroids = index.quantizer.reconstruct_n(0, index.nlist)
    centroids /= np.linalg.norm(centroids, axis=1, keepdims=True)
    return float((vectors() @ centroids.T).max(axis=1).mean())


def test_hnsw(run, figures):
    for links in (8, 24):
        index = run("hnsw_index", vectors(), links)
        graph = getattr(index, "hnsw", None)
        assert graph is not None, say(
            f"hnsw_index returns {type(index).__name__}, which has no graph",
            f"hnsw_index 返回的是 {type(index).__name__}，没有图",
        )
        check_index(index, "HNSW")
        width = graph.nb_neighbors(1)
        assert width == links, say(
            f"asked for {links} links, the graph has {width}",
            f"要求每个点 {links} 条边，图里是 {width} 条",
        )
        graph.efSearch = 200
        share = recalled(index.search(queries(), K)[1])
        figures[f"recall_{links}_links"] = share
        assert share > 0.9, say(
            f"with {links} links and efSearch 200, recall@{K} is {share:.3f}",
            f"{links} 条边、efSearch 为 200 时，recall@{K} 只有 {share:.3f}",
        )


def test_passages(run):
    index = reference_ivf(24)
    texts = [f"passage {n}" for n in range(len(vectors()))]
    wanted_k = 300  # more than one cluster holds
    rows = run("search", index, texts, queries()[:4], wanted_k)
    scores, ids = index.search(queries()[:4], wanted_k)
    for row, some, ranked in zip(list(rows), scores, ids, strict=True):
        wanted = [(float(s), texts[i]) for s, i in zip(some, ranked, strict=True) if i >= 0]
        assert len(row) == len(wanted), say(
            f"for k = {wanted_k} the visited cluster has {len(wanted)} vectors, and search "
            f"returns {len(row)} passages, {row[-1][1]!r} the last: the id -1 is no passage",
            f"k = {wanted_k} 时所查的簇只有 {len(wanted)} 个向量，search 却返回 {len(row)} 个"
            f"段落，最后一个是 {row[-1][1]!r}：id -1 不是段落",
        )
        got = [(round(float(s), 4), text) for s, text in row]
        expected = [(round(s, 4), text) for s, text in wanted]
        first = next(
            (n for n, (a, b) in enumerate(zip(got, expected, strict=True)) if a != b), None
        )
        assert first is None, say(
            f"place {first} is {got[first or 0]}, and must be {expected[first or 0]}",
            f"第 {first} 位是 {got[first or 0]}，应为 {expected[first or 0]}",
        )


def test_recall(run):
    cases = (
        ([[3, 1, 2], [9, 8, 7]], [[1, 2, 3], [7, 5, 8]], (1 + 2 / 3) / 2),
        ([[1, 2, -1, -1], [5, 6, 7, 8]], [[1, 2, 3, 4], [1, 2, 3, 4]], 0.25),
        ([[4, 5], [1, 2]], [[1, 2], [4, 5]], 0.0),
        ([[-1, -1]], [[0, 1]], 0.0),
    )
    for found, true, wanted in cases:
        got = float(run("recall", np.array(found), np.array(true)))
        assert abs(got - wanted) < 1e-6, say(
            f"found {found} of {true}: recall is {wanted:.3f}, and yours {got:.3f}",
            f"找到 {found}，精确结果是 {true}：召回率应为 {wanted:.3f}，你的是 {got:.3f}",
        )


def reference_hnsw():
    index = faiss.IndexHNSWFlat(vectors().shape[1], 8, faiss.METRIC_INNER_PRODUCT)
    index.add(vectors())
    return index


def measured(name, index, value):
    """Return (recall, vectors compared a query) at one setting."""
    stats = faiss.cvar.indexIVF_stats if name == "IVF" else faiss.cvar.hnsw_stats
    if name == "IVF":
        index.nprobe = value
    else:
        index.hnsw.efSearch = value
    stats.reset()
    found = index.search(queries(), K)[1]
    return recalled(found), stats.ndis / len(queries())


def test_sweep(run, figures):
    for name, index, values in (
        ("IVF", reference_ivf(24), [1, 3, 24]),
        ("HNSW", reference_hnsw(), [10, 40, 100]),
    ):
        wanted = [measured(name, index, value) for value in values]
        index.search(queries(), K)  # work of somebody else's: it must not be counted
        rows = list(run("sweep", name, index, values, queries(), exact()))
        got = [(row["index"], row["setting"]) for row in rows]
        assert got == [(name, value) for value in values], say(
            f"for {name} and the settings {values} the rows are of {got}",
            f"{name} 的设置为 {values}，得到的行却是 {got}",
        )
        for row, value, (share, compared) in zip(rows, values, wanted, strict=True):
            figures[f"{name}_{value}_recall"] = share
            assert abs(row["recall"] - share) < 0.005, say(
                f"{name} at {value}: your row says recall {row['recall']:.3f}, measured again it "
                f"is {share:.3f}",
                f"{name} 取 {value} 时：你的结果是 {row['recall']:.3f}，重测的召回率是 {share:.3f}",
            )
            assert abs(row["compared"] - compared) <= 0.02 * compared, say(
                f"{name} at {value}: your row says {row['compared']:.1f} vectors compared a "
                f"query, counted again they are {compared:.1f}",
                f"{name} 取 {value} 时：你的结果是每个查询比较 {row['compared']:.1f} 个向量，"
                f"重数是 {compared:.1f} 个",
            )
            assert 0 < row["milliseconds"] < 60_000, say(
                f"{name} at {value}: {row['milliseconds']} milliseconds for a query",
                f"{name} 取 {value} 时：每个查询 {row['milliseconds']} 毫秒",
            )


def test_cheapest(run):
    for least, place in ((0.95, 4), (0.7, 1), (0.98, 5), (0.0, 0), (0.97, 5), (1.0, None)):
        got = run("cheapest", [dict(row) for row in ROWS], least)
        wanted = None if place is None else ROWS[place]
        assert got == wanted, say(
            f"for a recall of {least} cheapest gives {short(got)}; it must be {short(wanted)}",
            f"要求召回率 {least} 时，cheapest 给出 {short(got)}；应为 {short(wanted)}",
        )


def short(row):
    if not isinstance(row, dict):
        return repr(row)
    return f"{row['index']} {row['setting']} (recall {row['recall']}, {row['compared']:g})"


def dots(path, colour):
    """Return the centres (x, y) in pixels of the image's dots of a colour."""
    from PIL import Image
    from scipy import ndimage

    with Image.open(path) as image:
        assert image.format == "PNG", say(
            f"the image is {image.format}, not PNG", f"图片格式是 {image.format}，而不是 PNG"
        )
        pixels = np.asarray(image.convert("RGB")).astype(int)
    wanted = np.array([int(colour[n : n + 2], 16) for n in (1, 3, 5)])
    labels, count = ndimage.label(np.abs(pixels - wanted).max(-1) <= 3)
    sizes = ndimage.sum_labels(np.ones_like(labels), labels, range(1, count + 1))
    whole = [n for n, size in enumerate(np.atleast_1d(sizes), 1) if size >= 12]
    return [(x, y) for y, x in ndimage.center_of_mass(labels > 0, labels, whole)]


def test_plot(run, submission, tmp_path):
    for rows in (ROWS, [ROWS[2], ROWS[3], ROWS[0]]):
        path = tmp_path / f"chart{len(rows)}.png"
        run("plot", [dict(row) for row in rows], path)
        assert path.exists(), say("no image was written", "没有写出图片")
        places = []
        for name, colour in (("IVF", "#1f77b4"), ("HNSW", "#ff7f0e")):
            mine = sorted((r for r in rows if r["index"] == name), key=lambda r: r["compared"])
            found = sorted(dots(path, colour))
            assert len(found) == len(mine), say(
                f"{len(mine)} rows of {name}, and the image has {len(found)} separate dots of "
                f"{colour}",
                f"{name} 有 {len(mine)} 行，图中颜色为 {colour} 且互相分开的点却有 {len(found)} 个",
            )
            places += list(zip(mine, found, strict=True))
        check_axis([np.log10(row["compared"]) for row, _ in places], [x for _, (x, _) in places],
                   "x", "log(compared)")  # fmt: skip
        check_axis([row["recall"] for row, _ in places], [-y for _, (_, y) in places],
                   "y", "recall")  # fmt: skip


def check_axis(values, pixels, axis, name):
    slope, start = np.polyfit(values, pixels, 1)
    off = float(np.abs(slope * np.array(values) + start - pixels).max())
    assert slope > 0 and np.ptp(pixels) >= 100 and off <= 0.03 * np.ptp(pixels) + 2, say(
        f"along {axis} the dots do not follow {name}: the best straight scale rises by "
        f"{slope:.3g} pixels a unit over {np.ptp(pixels):.0f} pixels, and one dot is "
        f"{off:.0f} pixels off",
        f"沿 {axis} 方向，点的位置与 {name} 不成线性：最佳直线每单位上升 {slope:.3g} 像素，"
        f"总共 {np.ptp(pixels):.0f} 像素，有一个点偏了 {off:.0f} 像素",
    )


@cache
def paired():
    """Questions, and the beginnings of the paragraphs that answer them."""
    questions = corpus.questions("en")[::2]
    texts = {d.id: d.text for d in corpus.documents("en")}
    passages = []
    for question in questions:
        lines = texts[question.document].splitlines()
        line = next(line for line in lines if question.quote in line)
        start = max(0, line.index(question.quote) - 120)
        passages.append(line[start : start + 260])
    return tuple(q.text for q in questions), tuple(passages)


def hits(rows, passages, k=3):
    return sum(p in [text for _, text in row[:k]] for p, row in zip(passages, rows, strict=True))


def test_questions_found(run, figures):
    questions, passages = paired()
    texts = list(passages)
    vectors = np.asarray(run("embed", texts, *encoder()))
    asked = np.asarray(run("embed", list(questions), *encoder()))
    rows = list(run("search", run("flat_index", vectors), texts, asked, 3))
    scores = reference(questions) @ reference(passages).T
    ranked = [[(0.0, passages[n]) for n in np.argsort(-row)[:3]] for row in scores]
    got, wanted = hits(rows, passages), hits(ranked, passages)
    figures |= {"hit_at_3": got / len(passages), "reference_hit_at_3": wanted / len(passages)}
    assert got >= wanted - 1, say(
        f"{got} of {len(passages)} questions have their passage among the first 3; with vectors "
        f"as the task describes them it is {wanted}",
        f"{len(passages)} 个问题中有 {got} 个在前 3 名里找到了自己的段落；按任务的要求计算"
        f"向量时是 {wanted} 个",
    )
