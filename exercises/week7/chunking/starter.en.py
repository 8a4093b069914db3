# %% [markdown]
# # Chunks, and what their size does
#
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Check with `tutor check week7/chunking`.
#
# Cut the lessons into passages of so many tokens, search them, and measure hit@k, MRR and the hits
# within a budget of the prompt for several sizes. Truth is a question's quotation: a passage is a
# hit where it holds it, word for word.

# %%
from dataclasses import dataclass

import numpy as np  # noqa: F401 - for the ranking

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
        raise NotImplementedError("Chunk.text: title, heading and body")


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
    raise NotImplementedError("windows: (start, end) over n tokens")


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
    raise NotImplementedError("split: sections, then windows over their tokens")


# %% [markdown]
# ## 3. Measures


# %%
def is_hit(chunk, question):
    """Return whether the chunk answers: it is of the question's document and holds the quote."""
    raise NotImplementedError("is_hit: the right document and the quotation")


def rank(ranked, question):
    """Return the place of the first hit among the ranked chunks, from 1; None without one."""
    raise NotImplementedError("rank: the place of the first hit")


def measures(ranks):
    """Return {"hit@1", "hit@5", "mrr"} over the questions' ranks; None is no hit: 0."""
    raise NotImplementedError("measures: hit@1, hit@5 and MRR")


def within_budget(ranked, budget):
    """Return the chunks that fit into a prompt, best first: up to the first whose text would take
    the sum of tokens over the budget."""
    raise NotImplementedError("within_budget: the best chunks that fit into a prompt")


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
    raise NotImplementedError("compare: one row for each size")


# %% [markdown]
# ## 5. A table


# %%
def table(rows):
    """Return the rows as a Markdown table with the header COLUMNS; shares with three decimals."""
    raise NotImplementedError("table: the rows as Markdown")


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
