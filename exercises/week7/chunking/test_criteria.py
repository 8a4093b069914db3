"""Criteria of week7/chunking: windows by their properties, every row counted again."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from exercises.week7 import corpus
from exercises.week7.embedder import Embedder
from tutor.base.i18n import say

SHARES = ("too_long", "hit@1", "hit@5", "mrr", "hit@budget")


def lesson(unit, lang="en"):
    return next(d for d in corpus.documents(lang) if d.unit == unit)


# --- windows -------------------------------------------------------------------------------------


def test_windows(run, figures):
    for n, size, overlap in ((2000, 256, 32), (10, 4, 2), (9, 4, 2), (7, 7, 3), (8, 7, 3),
                             (3, 5, 2), (100, 10, 9), (12, 4, 0)):  # fmt: skip
        got = [tuple(pair) for pair in run("windows", n, size, overlap)]
        count = max(1, math.ceil((n - overlap) / (size - overlap)))
        wanted = [(k * (size - overlap), min(k * (size - overlap) + size, n)) for k in range(count)]
        figures[f"windows_of_{n}"] = len(got)
        assert len(got) == count, say(
            f"{n} tokens, size {size}, overlap {overlap}: {len(got)} windows, and "
            f"ceil(({n} - {overlap}) / ({size} - {overlap})) is {count}; the last is {got[-1:]}",
            f"{n} 个 token、大小 {size}、重叠 {overlap}：得到 {len(got)} 个窗口，而 "
            f"ceil(({n} − {overlap}) / ({size} − {overlap})) = {count}；最后一个是 {got[-1:]}",
        )
        assert got == wanted, say(
            f"{n} tokens, size {size}, overlap {overlap}: the windows {got[:3]} ... {got[-1:]} "
            f"must be {wanted[:3]} ... {wanted[-1:]}",
            f"{n} 个 token、大小 {size}、重叠 {overlap}：窗口是 {got[:3]} … {got[-1:]}，"
            f"应为 {wanted[:3]} … {wanted[-1:]}",
        )


def test_bounds(run):
    got = list(run("windows", 0, 8, 2))
    assert got == [], say(f"windows over 0 tokens: {got}", f"0 个 token 得到窗口 {got}")
    for size, overlap in ((4, 4), (4, 9), (0, 0), (5, -1)):
        try:
            # Asked of few tokens: a splitter that does not move on would not end.
            got = run("windows", 3, size, overlap)
        except ValueError:
            continue
        pytest.fail(say(
            f"size {size} with overlap {overlap} raises no ValueError but gives {list(got)[:4]}",
            f"大小 {size}、重叠 {overlap} 没有抛出 ValueError，却返回 {list(got)[:4]}",
        ))  # fmt: skip


# --- chunks --------------------------------------------------------------------------------------


def bodies(text, size, overlap):
    offsets = corpus.tokenizer().encode(text, add_special_tokens=False).offsets
    n, step = len(offsets), size - overlap
    starts = [k * step for k in range(max(1, math.ceil((n - overlap) / step)))]
    return [text[offsets[s][0] : offsets[min(s + size, n) - 1][1]] for s in starts]


def test_split(run, figures):
    for document, size, overlap in (
        (lesson("week7"), 100, 20), (lesson("week7"), 4000, 50), (lesson("week5", "zh"), 60, 0),
    ):  # fmt: skip
        chunks = list(run("split", document, size, overlap))
        sections = list(corpus.sections(document))
        wanted = [(s.heading, b) for s in sections for b in bodies(s.text, size, overlap)]
        got = [(chunk.heading, chunk.body) for chunk in chunks]
        figures[f"chunks_of_{size}"] = len(got)
        foreign = next((b for h, b in got if not any(b in s.text for s in sections)), None)
        assert foreign is None, say(
            f"{document.id} in chunks of {size}: the body {(foreign or '')[:60]!r} ... is no "
            "piece of one section: it was changed, or goes across a heading",
            f"{document.id} 按 {size} 切块：正文 {(foreign or '')[:60]!r}… 不是某一节的原文片段："
            "被改动了，或者跨过了标题",
        )
        assert len(got) == len(wanted), say(
            f"{document.id}: {len(got)} chunks of size {size} and overlap {overlap}; its "
            f"{len(sections)} sections make {len(wanted)}",
            f"{document.id}：大小 {size}、重叠 {overlap} 得到 {len(got)} 块；"
            f"它的 {len(sections)} 节应切成 {len(wanted)} 块",
        )
        first = next((n for n, pair in enumerate(wanted) if got[n] != pair), 0)
        assert got == wanted, say(
            f"{document.id}, size {size}: chunk {first} is {got[first][1][:50]!r} ... "
            f"({corpus.count_tokens(got[first][1])} tokens) of {got[first][0]!r}; it must be "
            f"{wanted[first][1][:50]!r} ... ({corpus.count_tokens(wanted[first][1])} tokens) of "
            f"{wanted[first][0]!r}",
            f"{document.id}，大小 {size}：第 {first} 块是 {got[first][0]!r} 的 "
            f"{got[first][1][:50]!r}…（{corpus.count_tokens(got[first][1])} 个 token）；应为 "
            f"{wanted[first][0]!r} 的 {wanted[first][1][:50]!r}…"
            f"（{corpus.count_tokens(wanted[first][1])} 个 token）",
        )


def test_context(run):
    for document in (lesson("week7"), lesson("week7", "zh")):
        chunks = list(run("split", document, 80, 10))
        for n, chunk in enumerate(chunks):
            for what, part in (("title", document.title), ("heading", chunk.heading),
                               ("body", chunk.body)):  # fmt: skip
                assert part in chunk.text, say(
                    f"chunk {n} of {document.id}: its text {chunk.text[:60]!r} ... lacks the "
                    f"{what} {part[:40]!r}",
                    f"{document.id} 第 {n} 块的 text {chunk.text[:60]!r}… 里没有"
                    f"{what} {part[:40]!r}",
                )
            assert chunk.document == document.id and document.title not in chunk.body, say(
                f"chunk {n}: document {chunk.document!r}, and a body that begins "
                f"{chunk.body[:40]!r}; the title belongs to the text only",
                f"第 {n} 块：document 是 {chunk.document!r}，正文开头是 {chunk.body[:40]!r}；"
                "标题只应出现在 text 里",
            )


# --- measures ------------------------------------------------------------------------------------


def chunk(submission, document, heading, body):
    return submission.Chunk(document, "A title", heading, body)


def question(document="week7.en", quote="probes one cluster"):
    return corpus.Question("Which?", "en", document, "4. Indexes", quote)


def test_rank(run, submission):
    noise = chunk(submission, "week7.en", "4. Indexes", "It compares with all.")
    other = chunk(submission, "week5.en", "4. Indexes", "It probes one cluster.")
    named = chunk(submission, "week7.en", "It probes one cluster", "Nothing else.")
    hit = chunk(submission, "week7.en", "4. Indexes", "By default it probes one cluster only.")
    for ranked, wanted in (([hit, noise], 1), ([noise, other, hit, hit], 3), ([noise, other], None),
                           ([named, hit], 2), ([], None)):  # fmt: skip
        got = run("rank", ranked, question())
        assert got == wanted, say(
            f"among {[c.body for c in ranked]} (documents {[c.document for c in ranked]}) the "
            f"rank is {got}, and must be {wanted}",
            f"在 {[c.body for c in ranked]}（文档 {[c.document for c in ranked]}）中得到名次 {got}，"
            f"应为 {wanted}",
        )


def test_measures(run):
    for ranks in ([1, 3, 2, None, 1], [None, None], [6, 5, 1, 20]):
        n = len(ranks)
        wanted = {f"hit@{k}": sum(r is not None and r <= k for r in ranks) / n for k in (1, 5)}
        wanted["mrr"] = sum(1 / r for r in ranks if r) / n
        got = run("measures", list(ranks))
        for name, value in wanted.items():
            assert name in got and abs(got[name] - value) < 1e-6, say(
                f"for the ranks {ranks} {name} is {value:.3f}; measures gives {got.get(name)}",
                f"名次为 {ranks} 时 {name} 应为 {value:.3f}；measures 给出 {got.get(name)}",
            )


def test_budget(run, submission):
    words = [30, 20, 60, 5, 5]
    ranked = [chunk(submission, "d", "h", "word " * n) for n in words]
    lengths = [corpus.count_tokens(c.text) for c in ranked]
    for budget in (lengths[0], sum(lengths[:2]), sum(lengths[:2]) + 40, sum(lengths), 3,
                   sum(lengths[:3]) - 1):  # fmt: skip
        count = sum(1 for n in range(1, 6) if sum(lengths[:n]) <= budget)
        got = list(run("within_budget", list(ranked), budget))
        assert got == ranked[:count], say(
            f"texts of {lengths} tokens and a budget of {budget}: the first {count} fit, and you "
            f"keep those of {[corpus.count_tokens(c.text) for c in got]} tokens",
            f"各块 text 长 {lengths} 个 token，预算 {budget}：应保留前 {count} 块，你保留的是长 "
            f"{[corpus.count_tokens(c.text) for c in got]} 的块",
        )


# --- the comparison ------------------------------------------------------------------------------


def counted(documents, questions, embed, size, overlap, budget):
    """One row, counted without the submission."""
    parts = [(d, s.heading, b) for d in documents for s in corpus.sections(d)
             for b in bodies(s.text, size, overlap)]  # fmt: skip
    texts = [f"{d.title} > {heading}\n{body}" for d, heading, body in parts]
    lengths = np.array([corpus.count_tokens(text) for text in texts])
    scores = embed([q.text for q in questions]) @ embed(texts).T
    ranks, inside = [], []
    for q, row in zip(questions, np.argsort(-scores, axis=1, kind="stable"), strict=True):
        hits = [n for n, i in enumerate(row)
                if parts[i][0].id == q.document and q.quote in parts[i][2]]  # fmt: skip
        ranks.append(hits[0] + 1 if hits else math.inf)
        inside.append(bool(hits) and lengths[row[: hits[0] + 1]].sum() <= budget)
    ranks = np.array(ranks)
    return {
        "size": size, "overlap": overlap, "chunks": len(parts),
        "too_long": float((lengths > corpus.MOST_TOKENS).mean()),
        "hit@1": float((ranks <= 1).mean()), "hit@5": float((ranks <= 5).mean()),
        "mrr": float((1 / ranks).mean()), "hit@budget": float(np.mean(inside)),
    }  # fmt: skip


def asked_of(documents):
    known = {document.id for document in documents}
    return [q for q in corpus.questions("en") if q.document in known]


def test_compare(run, figures):
    documents = [lesson("week7"), lesson("week5")]
    questions = asked_of(documents)
    sizes, share, budget = [40, 90, 300], 0.25, 300
    rows = list(run("compare", documents, questions, Embedder(512), sizes, share, budget))
    assert len(rows) == len(sizes), say(
        f"{len(sizes)} sizes give {len(rows)} rows", f"{len(sizes)} 种大小得到 {len(rows)} 行"
    )
    for row, size in zip(rows, sizes, strict=True):
        wanted = counted(documents, questions, Embedder(512), size, int(share * size), budget)
        figures |= {f"{name}_of_{size}": wanted[name] for name in ("hit@5", "hit@budget")}
        for name, value in wanted.items():
            # Another form of title and heading in the text moves a question or two.
            slack = 0 if isinstance(value, int) else 1.01 / len(questions)
            slack = 0.1 if name == "too_long" else slack
            assert name in row and abs(row[name] - value) <= 2 * slack, say(
                f"chunks of {size}: your row says {name} = {row.get(name)}, counted again it is "
                f"{value:.4g}",
                f"大小为 {size} 的块：你的结果是 {name} = {row.get(name)}，重数是 {value:.4g}",
            )


def test_table(run):
    rows = [dict(zip(COLUMNS, values, strict=True)) for values in (
        (32, 4, 913, 0.0, 0.3125, 0.6875, 0.472222, 0.75), (256, 32, 117, 0.125, 0.5, 1.0, 2 / 3, 0.25),
    )]  # fmt: skip
    text = run("table", [dict(row) for row in rows])
    lines = [[c.strip() for c in line.strip().strip("|").split("|")]
             for line in text.strip().splitlines()]  # fmt: skip
    assert lines[0] == COLUMNS, say(
        f"the header is {lines[0]}, and must be {COLUMNS}", f"表头是 {lines[0]}，应为 {COLUMNS}"
    )
    dashes = len(lines) > 1 and all(re.fullmatch(r":?-+:?", cell) for cell in lines[1])
    assert dashes and len(lines) == 2 + len(rows), say(
        f"after the header come {len(lines) - 1} lines, the first of them {lines[1:2]}: a line "
        f"of dashes and {len(rows)} rows are needed",
        f"表头之后有 {len(lines) - 1} 行，第一行是 {lines[1:2]}：应为一行短横线和 {len(rows)} 行数据",
    )
    for row, cells in zip(rows, lines[2:], strict=True):
        for name, cell in zip(COLUMNS, cells, strict=True):
            assert abs(float(cell) - row[name]) <= 5.1e-4, say(
                f"{name} was {row[name]} and reads {cell!r}",
                f"{name} 原为 {row[name]}，表中是 {cell!r}",
            )


COLUMNS = ["size", "overlap", "chunks", *SHARES]


def test_real_questions(run, figures):
    documents = [lesson("week7")]
    questions = asked_of(documents)
    rows = run("compare", documents, questions, corpus.embed, [120], 0.1, 400)
    (row,) = rows
    wanted = counted(documents, questions, corpus.embed, 120, 12, 400)
    n = len(questions)
    figures |= {"questions": n, "hit_at_5": row["hit@5"], "reference_hit_at_5": wanted["hit@5"]}
    figures["ranks_mrr"] = row["mrr"]
    for name in ("hit@5", "hit@budget", "mrr"):
        assert wanted[name] - 1.6 / n <= row[name] <= wanted[name] + 2.6 / n, say(
            f"with MiniLM, chunks of 120 and {n} questions, {name} is {row[name]:.3f}; counted "
            f"again it is {wanted[name]:.3f}",
            f"用 MiniLM、大小 120 的块、{n} 个问题，{name} 是 {row[name]:.3f}；重数是 "
            f"{wanted[name]:.3f}",
        )
