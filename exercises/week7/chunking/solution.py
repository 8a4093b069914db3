# %% [markdown]
# # Chunks, and what their size does
#
# Cut the lessons into passages of so many tokens, search them, and measure hit@k, MRR and the hits
# within a budget of the prompt for several sizes. Truth is a question's quotation: a passage is a
# hit where it holds it, word for word.

# %%
from dataclasses import dataclass

import numpy as np

from exercises.week7 import corpus

COLUMNS = ["size", "overlap", "chunks", "too_long", "hit@1", "hit@5", "mrr", "hit@budget"]


@dataclass(frozen=True)
class Chunk:
    """A passage. body: a piece of one section, unchanged. text: what is embedded."""

    document: str
    title: str
    heading: str
    body: str

    @property
    def text(self):
        """Title, heading and body: "It defaults to 8" alone could stand anywhere."""
        return f"{self.title} > {self.heading}\n{self.body}"


# %% [markdown]
# ## 1. Windows over tokens


# %%
def windows(n, size, overlap):
    """Return (start, end) of the windows over n tokens, ends excluded.

    Each has `size` tokens and begins `size - overlap` after the one before it; the last ends at
    n and may be shorter. No window lies wholly within another: for n > overlap there are
    ceil((n - overlap) / (size - overlap)). For n = 0 there is no window.
    Raises ValueError unless 0 <= overlap < size.
    """
    if not 0 <= overlap < size:
        raise ValueError(f"an overlap of {overlap} does not fit into windows of {size}")
    found = []
    for start in range(0, n, size - overlap):
        found.append((start, min(start + size, n)))
        if start + size >= n:
            break
    return found


# %% [markdown]
# ## 2. From a document to chunks
#
# Headings first, the size second: a chunk never crosses a heading. Sizes are in tokens of the
# encoder, whose tokenizer says where in the text each token stands.


# %%
def split(document, size, overlap):
    """Return the chunks of a corpus.Document in order.

    A section (corpus.sections) of at most `size` tokens is one chunk; a longer one is cut by
    `windows` over its tokens. A body goes from its first token's first character to its last
    token's last one.
    """
    chunks = []
    for section in corpus.sections(document):
        offsets = corpus.tokenizer().encode(section.text, add_special_tokens=False).offsets
        for first, end in windows(len(offsets), size, overlap):
            body = section.text[offsets[first][0] : offsets[end - 1][1]]
            chunks.append(Chunk(document.id, document.title, section.heading, body))
    return chunks


# %% [markdown]
# ## 3. Measures


# %%
def is_hit(chunk, question):
    """Return whether the chunk answers: it is of the question's document and holds the quote."""
    return chunk.document == question.document and question.quote in chunk.body


def rank(ranked, question):
    """Return the place of the first hit among the ranked chunks, from 1; None without one."""
    return next((n for n, chunk in enumerate(ranked, 1) if is_hit(chunk, question)), None)


def measures(ranks):
    """Return {"hit@1", "hit@5", "mrr"} over the questions' ranks; None is no hit: 0."""
    return {
        "hit@1": sum(r is not None and r <= 1 for r in ranks) / len(ranks),
        "hit@5": sum(r is not None and r <= 5 for r in ranks) / len(ranks),
        "mrr": sum(1 / r for r in ranks if r is not None) / len(ranks),
    }


def within_budget(ranked, budget):
    """Return the chunks that fit into a prompt, best first: up to the first whose text would take
    the sum of tokens over the budget."""
    kept, used = [], 0
    for chunk in ranked:
        used += corpus.count_tokens(chunk.text)
        if used > budget:
            break
        kept.append(chunk)
    return kept


# %% [markdown]
# ## 4. The comparison
#
# hit@5 of chunks of 256 tokens and of chunks of 32 is no fair comparison: the five large ones fill
# a prompt of 1,280 tokens. hit@budget gives both the same room.


# %%
def compare(documents, questions, embed, sizes, share, budget):
    """Return one row (dict of COLUMNS) for each size, in order.

    embed: texts to vectors (n, d) of length 1. overlap: int(share * size) tokens. chunks: how
    many. too_long: the share of chunks whose text has more than corpus.MOST_TOKENS tokens.
    hit@budget: the share of questions with a hit among the chunks within the budget.
    """
    asked = embed([question.text for question in questions])
    rows = []
    for size in sizes:
        overlap = int(share * size)
        chunks = [chunk for document in documents for chunk in split(document, size, overlap)]
        scores = asked @ embed([chunk.text for chunk in chunks]).T  # (questions, chunks)
        order = np.argsort(-scores, axis=1, kind="stable")
        ranked = [[chunks[n] for n in row] for row in order]
        pairs = list(zip(ranked, questions, strict=True))
        lengths = [corpus.count_tokens(chunk.text) for chunk in chunks]
        rows.append(
            {
                "size": size,
                "overlap": overlap,
                "chunks": len(chunks),
                "too_long": sum(n > corpus.MOST_TOKENS for n in lengths) / len(chunks),
                **measures([rank(some, question) for some, question in pairs]),
                "hit@budget": float(
                    np.mean([rank(within_budget(s, budget), q) is not None for s, q in pairs])
                ),
            }
        )
    return rows


# %% [markdown]
# ## 5. A table


# %%
def table(rows):
    """Return the rows as a Markdown table with the header COLUMNS; shares with three decimals."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    for row in rows:
        cells = [f"{row[c]:.3f}" if isinstance(row[c], float) else str(row[c]) for c in COLUMNS]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


# %% [markdown]
# ## Try it
#
# Three lessons. A minute or two the first time; all ten lessons take three times as long.

# %%
if __name__ == "__main__":
    units = ("week5", "week6", "week7")
    documents = [d for d in corpus.documents("en") if d.unit in units]
    known = {document.id for document in documents}
    questions = [q for q in corpus.questions("en") if q.document in known]
    for share in (0.0, 0.125):
        print(f"\noverlap {share:.3f} of the size, {len(questions)} questions")
        print(table(compare(documents, questions, corpus.embed, [32, 64, 128, 256], share, 400)))
