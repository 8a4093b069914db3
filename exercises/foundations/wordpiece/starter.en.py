# %% [markdown]
# # WordPiece, as BERT cuts
#
# From text to ids in two steps: basic tokenization into words, and the greedy longest match of
# WordPiece inside each word (Devlin et al. 2019, arXiv 1810.04805; Wu et al. 2016, 1609.08144).
#
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Check with `tutor check foundations/wordpiece`.

# %%
from pathlib import Path

from tutor.base import assets

# %% [markdown]
# ## Given: the vocabulary and the ranges of Chinese characters

# %%
UNKNOWN = "[UNK]"
LONGEST_WORD = 100  # characters; a longer word is not worth cutting
CJK = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


def load_vocab(path: Path | None = None) -> dict[str, int]:
    """Return each piece's id, its line number in the file. Default: MiniLM's, which is BERT's."""
    file = path or assets.path("minilm") / "vocab.txt"
    pieces = file.read_text("utf-8").removesuffix("\n").split("\n")
    return {piece: number for number, piece in enumerate(pieces)}


# %% [markdown]
# ## Words
#
# Clean, set Chinese characters apart, decompose and drop accents, lower case, split at punctuation.
# `unicodedata.category("é")` is "Ll"; the module's `normalize` decomposes.


# %%
def basic_tokenize(text: str) -> list[str]:
    """Cut a text into words: cleaned, in lower case, without accents."""
    raise NotImplementedError("basic_tokenize: from a text to its words")


# %% [markdown]
# ## Pieces
#
# With the pieces un, ##happy, ##hap, ##pi, ##ly the word unhappily is un ##hap ##pi ##ly.


# %%
def wordpiece(word: str, vocab: dict[str, int]) -> list[str]:
    """Cut a word into pieces of the vocabulary by greedy longest match, or into one [UNK]."""
    raise NotImplementedError("wordpiece: the longest piece that matches, again and again")


def encode(text: str, vocab: dict[str, int]) -> list[int]:
    """Return the ids of a text, [CLS] first and [SEP] last."""
    raise NotImplementedError("encode: words, pieces, ids")


# %% [markdown]
# ## Try it

# %%
if __name__ == "__main__":
    vocab = load_vocab()
    for text in ("Untuned tokenization is unaffordable!", "Café 🙂 naïve", "深度学习 with BERT"):
        words = basic_tokenize(text)
        print(words, [wordpiece(word, vocab) for word in words], encode(text, vocab), sep="\n  ")
