# caught by: truncation
# Cuts the finished row: a long text loses its [SEP].
# %% [markdown]
# # A tokenizer's work
#
# The tokenizer of a BERT, and what stands between a list of texts and a batch of numbers.
# Try it with `python tokenizer.py`; check with `tutor check week2/tokenizer`.

# %%
from transformers import AutoTokenizer

from exercises import lab

IGNORED = -100  # what cross-entropy leaves out


def load_tokenizer():
    return AutoTokenizer.from_pretrained(lab.encoder_folder())


# %% [markdown]
# ## 1. A batch
#
# Rows of one length: as long as the longest text of this batch, and never longer than max_length.


# %%
def encode_batch(tokenizer, texts, max_length):
    """Return {"input_ids", "attention_mask"}: one row a text, all rows of one length."""
    rows = [with_special_tokens(tokenizer, pieces(tokenizer, text))[:max_length] for text in texts]
    longest = max(len(row) for row in rows)
    return {
        "input_ids": [row + [tokenizer.pad_token_id] * (longest - len(row)) for row in rows],
        "attention_mask": [[1] * len(row) + [0] * (longest - len(row)) for row in rows],
    }


def pieces(tokenizer, text):
    """Return the ids of the text's pieces, without special tokens and not cut."""
    return tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]


def with_special_tokens(tokenizer, ids):
    return [tokenizer.cls_token_id, *ids, tokenizer.sep_token_id]


# %% [markdown]
# ## 2. Long texts
#
# Reviewers judge at the end, so the default, which keeps the beginning, may be the worst choice.


# %%
def head_and_tail(tokenizer, text, max_length, head):
    """Return at most max_length ids: [CLS], the first `head` pieces, the last ones, [SEP]."""
    ids = pieces(tokenizer, text)
    room = max_length - 2
    if len(ids) > room:
        ids = ids[:head] + ids[len(ids) - (room - head) :]
    return with_special_tokens(tokenizer, ids)


def windows(tokenizer, text, max_length, stride):
    """Return the rows of ids that cover the text: each at most max_length long with [CLS] and
    [SEP], each beginning with the last `stride` pieces of the one before."""
    ids = pieces(tokenizer, text)
    room = max_length - 2
    rows, start = [ids[:room]], 0
    while start + room < len(ids):
        start += room - stride
        rows.append(ids[start : start + room])
    return [with_special_tokens(tokenizer, row) for row in rows]


# %% [markdown]
# ## 3. Back to the text


# %%
def span_to_tokens(tokenizer, text, start, end):
    """Return the indices, in the text's own ids with [CLS] and [SEP], of the tokens that share a
    character with text[start:end]."""
    offsets = tokenizer(text, return_offsets_mapping=True)["offset_mapping"]
    return [
        index
        for index, (first, last) in enumerate(offsets)
        if max(first, start) < min(last, end)  # never for special tokens: they are (0, 0)
    ]


def align_labels(tokenizer, words, labels):
    """Return one label a token, [CLS] and [SEP] included: a word's label on its first token,
    IGNORED on the others."""
    word_ids = tokenizer(words, is_split_into_words=True).word_ids()
    aligned, previous = [], None
    for word in word_ids:
        aligned.append(IGNORED if word is None or word == previous else labels[word])
        previous = word
    return aligned


# %% [markdown]
# ## Try it

# %%
if __name__ == "__main__":
    tokenizer = load_tokenizer()
    batch = encode_batch(tokenizer, ["A dull film.", "An unwatchable mess of a film."], 8)
    for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True):
        print(tokenizer.convert_ids_to_tokens(ids), mask)
    text = "Café reviews: unwatchable!"
    print(span_to_tokens(tokenizer, text, text.index("watch"), text.index("!")))
    print(align_labels(tokenizer, ["Unwatchable", "in", "Zürich"], [0, 0, 5]))
