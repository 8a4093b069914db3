# caught by: chinese
# Everything from the CJK blocks on is split, kana and hangul as well.
# %% [markdown]
# # WordPiece, as BERT cuts
#
# From text to ids in two steps: basic tokenization into words, and the greedy longest match of
# WordPiece inside each word (Devlin et al. 2019, arXiv 1810.04805; Wu et al. 2016, 1609.08144).

# %%
import unicodedata
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


# %%
def is_cjk(character: str) -> bool:
    return ord(character) >= 0x3000


def is_punctuation(character: str) -> bool:
    """ASCII's signs count as punctuation in BERT, also where Unicode calls them symbols."""
    if character.isascii():
        return character.isprintable() and not character.isalnum() and character != " "
    return unicodedata.category(character).startswith("P")


def clean(text: str) -> str:
    """Drop what cannot be seen, make all white space a space, set Chinese characters apart."""
    kept = []
    for character in text:
        if character in "\t\n\r":
            kept.append(" ")
        elif character == "\ufffd" or unicodedata.category(character).startswith("C"):
            continue
        elif character.isspace():
            kept.append(" ")
        else:
            kept.append(f" {character} " if is_cjk(character) else character)
    return "".join(kept)


def basic_tokenize(text: str) -> list[str]:
    """Cut a text into words: cleaned, in lower case, without accents."""
    decomposed = unicodedata.normalize("NFD", clean(text))
    bare = "".join(c for c in decomposed if unicodedata.category(c) != "Mn").lower()
    return "".join(f" {c} " if is_punctuation(c) else c for c in bare).split()


# %% [markdown]
# ## Pieces


# %%
def wordpiece(word: str, vocab: dict[str, int]) -> list[str]:
    """Cut a word into pieces of the vocabulary by greedy longest match, or into one [UNK]."""
    if len(word) > LONGEST_WORD:
        return [UNKNOWN]
    pieces = []
    start = 0
    while start < len(word):
        prefix = "##" if start else ""
        end = len(word)
        while start < end and prefix + word[start:end] not in vocab:
            end -= 1
        if start == end:
            return [UNKNOWN]  # the good beginning is given up as well
        pieces.append(prefix + word[start:end])
        start = end
    return pieces


def encode(text: str, vocab: dict[str, int]) -> list[int]:
    """Return the ids of a text, [CLS] first and [SEP] last."""
    pieces = [piece for word in basic_tokenize(text) for piece in wordpiece(word, vocab)]
    return [vocab[piece] for piece in ["[CLS]", *pieces, "[SEP]"]]


# %% [markdown]
# ## Try it

# %%
if __name__ == "__main__":
    vocab = load_vocab()
    for text in ("Untuned tokenization is unaffordable!", "Café 🙂 naïve", "深度学习 with BERT"):
        words = basic_tokenize(text)
        print(words, [wordpiece(word, vocab) for word in words], encode(text, vocab), sep="\n  ")
