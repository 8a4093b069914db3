# %% [markdown]
# # Byte-level BPE from scratch
#
# Learn merges from text, then encode and decode with them, as GPT-2 does (over bytes, so that no
# text is unknown). Sennrich et al. 2016, arXiv 1508.07909.
#
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Check with `tutor check foundations/bpe`.

# %%
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
#
# Count the pairs inside words, merge the most frequent one everywhere, note it, and again. Among
# equals the pair whose left token has the smaller id wins, then whose right token has.


# %%
def train(texts: list[str], merges: int) -> list[Pair]:
    """Learn up to `merges` merges, the most frequent pair first; fewer where none is left."""
    raise NotImplementedError("train: count, merge the best pair, repeat")


def vocabulary(merges: list[Pair]) -> dict[bytes, int]:
    """Return the id of each token: the 256 bytes, then the merged tokens in order."""
    raise NotImplementedError("vocabulary: an id for each byte and for each merge")


# %% [markdown]
# ## Encode and decode
#
# The merges are replayed inside each word, the earliest learned one first.


# %%
def encode(text: str, merges: list[Pair]) -> list[int]:
    """Return the ids of the text's tokens."""
    raise NotImplementedError("encode: split, replay the merges, look up the ids")


def decode(ids: list[int], merges: list[Pair]) -> str:
    """Return the text of the ids; bytes that are no valid UTF-8 become U+FFFD."""
    raise NotImplementedError("decode: from ids to bytes to text")


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
