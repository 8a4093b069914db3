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
    raise NotImplementedError("encode_batch: ids with [CLS] and [SEP], cut, padded, and the mask")


# %% [markdown]
# ## 2. Long texts
#
# Reviewers judge at the end, so the default, which keeps the beginning, may be the worst choice.


# %%
def head_and_tail(tokenizer, text, max_length, head):
    """Return at most max_length ids: [CLS], the first `head` pieces, the last ones, [SEP]."""
    raise NotImplementedError("head_and_tail: the beginning and the end of a long text")


def windows(tokenizer, text, max_length, stride):
    """Return the rows of ids that cover the text: each at most max_length long with [CLS] and
    [SEP], each beginning with the last `stride` pieces of the one before."""
    raise NotImplementedError("windows: overlapping rows")


# %% [markdown]
# ## 3. Back to the text


# %%
def span_to_tokens(tokenizer, text, start, end):
    """Return the indices, in the text's own ids with [CLS] and [SEP], of the tokens that share a
    character with text[start:end]."""
    raise NotImplementedError("span_to_tokens: from characters to tokens")


def align_labels(tokenizer, words, labels):
    """Return one label a token, [CLS] and [SEP] included: a word's label on its first token,
    IGNORED on the others."""
    raise NotImplementedError("align_labels: from words to tokens")


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
