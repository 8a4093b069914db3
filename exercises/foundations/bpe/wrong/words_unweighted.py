# caught by: words
# Each distinct word counts once, however often it occurs.
# %% [markdown]
# # Byte-level BPE from scratch
#
# Sennrich et al. 2016 (arXiv 1508.07909) brought byte-pair encoding to translation; GPT-2 runs it
# over bytes, so that no text is unknown.

# %%
from collections import Counter
from itertools import pairwise

import regex

# %% [markdown]
# ## Given: words and bytes
#
# GPT-2's rule keeps the space in front of a word with the word, and letters, digits and other
# signs apart. `regex` knows Unicode classes such as `\p{L}` (letters), which `re` does not.

# %%
WORD = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
# In GPT-2 the byte values that are printable come first, then the others.
PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
BYTES = PRINTABLE + [value for value in range(256) if value not in PRINTABLE]

Pair = tuple[bytes, bytes]


def split(text: str) -> list[str]:
    """Cut a text into words; joined they are the text again."""
    return WORD.findall(text)


# %% [markdown]
# ## Train


# %%
def merge(pieces: list[bytes], pair: Pair) -> list[bytes]:
    """Join the pair wherever it stands, from left to right."""
    merged = []
    i = 0
    while i < len(pieces):
        if tuple(pieces[i : i + 2]) == pair:
            merged.append(pieces[i] + pieces[i + 1])
            i += 2
        else:
            merged.append(pieces[i])
            i += 1
    return merged


def bytes_of(word: str) -> list[bytes]:
    return [bytes([value]) for value in word.encode("utf-8")]


def train(texts: list[str], merges: int) -> list[Pair]:
    """Learn up to `merges` merges, the most frequent pair first.

    Among equals the pair whose left token has the smaller id, then whose right token has.
    """
    # Each distinct word once, with its count: real text repeats itself.
    counts = Counter(word for text in texts for word in split(text))
    words = [(bytes_of(word), count) for word, count in counts.items()]
    ids = vocabulary([])
    learned: list[Pair] = []
    while len(learned) < merges:
        pairs: Counter[Pair] = Counter()
        for pieces, _ in words:
            for pair in pairwise(pieces):
                pairs[pair] += 1
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], ids[pair[0]], ids[pair[1]]))
        learned.append(best)
        ids[best[0] + best[1]] = len(ids)  # the next tie may need it
        words = [(merge(pieces, best), count) for pieces, count in words]
    return learned


def vocabulary(merges: list[Pair]) -> dict[bytes, int]:
    """Return the id of each token: the 256 bytes, then the merged tokens in order."""
    tokens = [bytes([value]) for value in BYTES] + [left + right for left, right in merges]
    return {token: number for number, token in enumerate(tokens)}


# %% [markdown]
# ## Encode and decode


# %%
def encode(text: str, merges: list[Pair]) -> list[int]:
    """Return the ids of the text's tokens."""
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    ids = vocabulary(merges)
    tokens: list[bytes] = []
    for word in split(text):
        pieces = bytes_of(word)
        while known := [pair for pair in pairwise(pieces) if pair in ranks]:
            pieces = merge(pieces, min(known, key=ranks.__getitem__))
        tokens += pieces
    return [ids[token] for token in tokens]


def decode(ids: list[int], merges: list[Pair]) -> str:
    """Return the text of the ids; bytes that are no valid UTF-8 become U+FFFD."""
    tokens = {number: token for token, number in vocabulary(merges).items()}
    return b"".join(tokens[number] for number in ids).decode("utf-8", errors="replace")


# %% [markdown]
# ## Try it

# %%
if __name__ == "__main__":
    corpus = ["tune tune tune tune tuned tuned tuned tuning tuning untuned", "调音 调音 调音师"]
    learned = train(corpus, 8)
    for left, right in learned:
        print(left, "+", right)
    for text in ("untune", "调音 🙂"):
        numbers = encode(text, learned)
        print(text, numbers, decode(numbers, learned) == text)
