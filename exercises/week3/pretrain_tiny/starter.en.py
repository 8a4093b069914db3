# %% [markdown]
# # A tiny GPT-2 from scratch
#
# Tokenizer, data, model and training loop for a language model of 0.3 million parameters, on the
# text of this course's own lessons. Judged in nats a byte, so that any tokenizer may compete.
#
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Run with `tutor run week3/pretrain_tiny`, grade with `tutor check week3/pretrain_tiny`.

# %%
import json
import math  # noqa: F401

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers  # noqa: F401
from transformers import GPT2Config, GPT2LMHeadModel  # noqa: F401

from exercises import lab

SEED = 0
BOS = "<|endoftext|>"  # id 0; stands at the start of every block
VOCAB = 512
BLOCK = 64
BATCH = 16
STEPS = 10  # yours to choose, and so are WARMUP and PEAK
WARMUP = 2
PEAK = 1e-3

# %% [markdown]
# ## 1. Data: split first, then everything else


# %%
def split(text):
    """Return (train, held_out): the last tenth of the lines (rounded down) is held out."""
    raise NotImplementedError("split: the last tenth of the lines is held out")


def train_tokenizer(text):
    """Return a byte-level BPE tokenizer of at most VOCAB entries; BOS has id 0.

    All 256 bytes are in the alphabet, so every text comes back from its ids as it was.
    """
    raise NotImplementedError("train_tokenizer: byte-level BPE with BOS as id 0")


def pack(ids, bos, block):
    """Return (n, block): each row is bos and the next block - 1 ids; what is left is dropped."""
    raise NotImplementedError("pack: bos and block - 1 ids a row, none twice")


def prepare(text):
    """Return (tokenizer, blocks, held_out): what is trained with and on, and the text to measure.

    Neither the tokenizer nor the blocks (n, BLOCK) know a line of held_out.
    """
    raise NotImplementedError("prepare: split first, then tokenizer and blocks")


# %% [markdown]
# ## 2. Model and loss


# %%
def build_model(vocab_size):
    """Return a fresh GPT-2 of 0.1 to 1.5 million parameters, the same on every call."""
    raise NotImplementedError("build_model: seed, then a GPT2LMHeadModel of GPT2Config")


def block_loss(model, blocks):
    """Return the mean loss over the block - 1 predictions of each row: a scalar tensor."""
    raise NotImplementedError("block_loss: every id predicts the next one")


# %% [markdown]
# ## 3. Training


# %%
def learning_rate(step, steps, warmup, peak):
    """Return the rate of a step (0, 1, …, steps - 1): linear from 0 to peak over the warm-up,
    then half a cosine down to 0 at `steps`."""
    raise NotImplementedError("learning_rate: warm-up, then cosine")


def train(model, blocks, steps):
    """Train in place, BATCH random rows of blocks a step."""
    raise NotImplementedError("train: batches, rate, loss, backward, clip, step, lab.report")


# %% [markdown]
# ## 4. What it learned


# %%
@torch.no_grad()
def nats_per_byte(model, tokenizer, text):
    """Return the loss over all tokens of the text together, per byte of its UTF-8.

    Windows as in training: bos and up to BLOCK - 1 tokens, the last one may be shorter. Every
    token is predicted once.
    """
    raise NotImplementedError("nats_per_byte: the whole loss over the number of bytes")


# %%
def main():
    text = lab.lessons("en")
    tokenizer, blocks, held_out = prepare(text)
    model = build_model(tokenizer.get_vocab_size())
    print(f"{len(blocks)} blocks, {model.num_parameters():,} parameters")
    train(model, blocks, STEPS)

    model.save_pretrained(lab.run_dir() / "model")
    tokenizer.save(str(lab.run_dir() / "tokenizer.json"))
    metrics = {
        "train": nats_per_byte(model, tokenizer, text[: len(held_out)]),
        "held_out": nats_per_byte(model, tokenizer, held_out),
    }
    (lab.run_dir() / "metrics.json").write_text(json.dumps(metrics))
    print(metrics)
    prompt = torch.tensor([tokenizer.encode(f"{BOS}The model").ids])
    story = model.generate(prompt, max_new_tokens=40, do_sample=True, temperature=0.7, top_k=40)
    print(tokenizer.decode(story[0].tolist()))


if __name__ == "__main__":
    main()
