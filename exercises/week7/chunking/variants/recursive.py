# Another style: a generator of windows by recursion, NamedTuple chunks, ranks by sorting keys.

# %%
from typing import NamedTuple

from exercises.week7 import corpus

COLUMNS = ["size", "overlap", "chunks", "too_long", "hit@1", "hit@5", "mrr", "hit@budget"]


class Chunk(NamedTuple):
    document: str
    title: str
    heading: str
    body: str

    @property
    def text(self):
        return "\n".join((self.title, self.heading, self.body))


# %%
def windows(n, size, overlap):
    if overlap < 0 or size <= overlap:
        raise ValueError("overlap")
    return list(_windows(0, n, size, overlap)) if n else []


def _windows(start, n, size, overlap):
    end = start + size
    if end >= n:
        yield start, n
        return
    yield start, end
    yield from _windows(end - overlap, n, size, overlap)


def split(document, size, overlap):
    return [
        Chunk(document.id, document.title, section.heading, body)
        for section in corpus.sections(document)
        for body in _bodies(section.text, size, overlap)
    ]


def _bodies(text, size, overlap):
    encoding = corpus.tokenizer().encode(text, add_special_tokens=False)
    for first, end in windows(len(encoding), size, overlap):
        left, _ = encoding.token_to_chars(first)
        _, right = encoding.token_to_chars(end - 1)
        yield text[left:right]


# %%
def rank(ranked, question):
    for place, chunk in enumerate(ranked):
        if chunk.document == question.document and chunk.body.find(question.quote) >= 0:
            return place + 1
    return None


def measures(ranks):
    inverse = [1 / r if r else 0.0 for r in ranks]
    mean = lambda values: sum(values) / len(ranks)  # noqa: E731
    return {
        "hit@1": mean([x == 1 for x in inverse]),
        "hit@5": mean([x >= 0.2 for x in inverse]),
        "mrr": mean(inverse),
    }


def within_budget(ranked, budget):
    if not ranked:
        return []
    left = budget - corpus.count_tokens(ranked[0].text)
    return [ranked[0], *within_budget(ranked[1:], left)] if left >= 0 else []


# %%
def compare(documents, questions, embed, sizes, share, budget):
    return [_row(documents, questions, embed, size, int(size * share), budget) for size in sizes]


def _row(documents, questions, embed, size, overlap, budget):
    chunks = [chunk for document in documents for chunk in split(document, size, overlap)]
    matrix = embed([chunk.text for chunk in chunks])
    lengths = {chunk: corpus.count_tokens(chunk.text) for chunk in chunks}
    ranks, inside = [], 0
    for question, vector in zip(questions, embed([q.text for q in questions]), strict=True):
        scores = (matrix * vector).sum(axis=1)
        ranked = [chunks[n] for n in sorted(range(len(chunks)), key=lambda n: (-scores[n], n))]
        ranks.append(rank(ranked, question))
        used = sum(lengths[chunk] for chunk in ranked[: ranks[-1] or 0])
        inside += ranks[-1] is not None and used <= budget
    row = {"size": size, "overlap": overlap, "chunks": len(chunks)}
    row["too_long"] = sum(n > 256 for n in lengths.values()) / len(chunks)
    return row | measures(ranks) | {"hit@budget": inside / len(questions)}


def table(rows):
    head = [COLUMNS, ["---"] * len(COLUMNS)]
    body = [[format(row[c], ".4f" if c in COLUMNS[3:] else "d") for c in COLUMNS] for row in rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in head + body)
