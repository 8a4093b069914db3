# caught by: held_out
# fast
# 30 steps: the loss has only begun to fall.
# %% [markdown]
# # A tiny GPT-2 from scratch
#
# Tokenizer, data, model and training loop for a language model of 0.3 million parameters, on the
# text of this course's own lessons. Judged in nats a byte, so that any tokenizer may compete.

# %%
import json
import math

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel

from exercises import lab

SEED = 0
BOS = "<|endoftext|>"  # id 0; stands at the start of every block
VOCAB = 512
BLOCK = 64
BATCH = 16
STEPS = 30
WARMUP = 3
PEAK = 8e-3  # small models take large rates

# %% [markdown]
# ## 1. Data: split first, then everything else


# %%
def split(text):
    """Return (train, held_out): the last tenth of the lines (rounded down) is held out."""
    lines = text.splitlines(keepends=True)
    cut = len(lines) - len(lines) // 10
    return "".join(lines[:cut]), "".join(lines[cut:])


def train_tokenizer(text):
    """Return a byte-level BPE tokenizer of at most VOCAB entries; BOS has id 0.

    All 256 bytes are in the alphabet, so every text comes back from its ids as it was.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB,
        special_tokens=[BOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(text.splitlines(keepends=True), trainer)
    return tokenizer


def pack(ids, bos, block):
    """Return (n, block): each row is bos and the next block - 1 ids; what is left is dropped."""
    width = block - 1
    rows = torch.tensor(ids[: len(ids) // width * width], dtype=torch.long).view(-1, width)
    return torch.cat([torch.full((len(rows), 1), bos), rows], dim=1)


def prepare(text):
    """Return (tokenizer, blocks, held_out): what is trained with and on, and the text to measure.

    Neither the tokenizer nor the blocks (n, BLOCK) know a line of held_out.
    """
    train_text, held_out = split(text)
    tokenizer = train_tokenizer(train_text)
    ids = tokenizer.encode(train_text).ids
    return tokenizer, pack(ids, tokenizer.token_to_id(BOS), BLOCK), held_out


# %% [markdown]
# ## 2. Model and loss


# %%
def build_model(vocab_size):
    """Return a fresh GPT-2 of 0.1 to 1.5 million parameters, the same on every call."""
    torch.manual_seed(SEED)
    config = GPT2Config(
        vocab_size=vocab_size,
        n_positions=BLOCK,
        n_embd=96,
        n_layer=2,
        n_head=4,
        # Eleven epochs of a small model: it learns too little to need dropout.
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=0,
        eos_token_id=0,
    )
    return GPT2LMHeadModel(config)


def block_loss(model, blocks):
    """Return the mean loss over the block - 1 predictions of each row: a scalar tensor."""
    return model(input_ids=blocks, labels=blocks).loss  # the model shifts the labels itself


# %% [markdown]
# ## 3. Training


# %%
def learning_rate(step, steps, warmup, peak):
    """Return the rate of a step (0, 1, …, steps - 1): linear from 0 to peak over the warm-up,
    then half a cosine down to 0 at `steps`."""
    if step < warmup:
        return peak * step / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))


def train(model, blocks, steps):
    """Train in place, BATCH random rows of blocks a step."""
    generator = torch.Generator().manual_seed(SEED)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.1)
    model.train()
    order = torch.empty(0, dtype=torch.long)
    for step in range(steps):
        if len(order) < BATCH:  # a new epoch in a new order
            order = torch.cat([order, torch.randperm(len(blocks), generator=generator)])
        rows, order = order[:BATCH], order[BATCH:]
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps, WARMUP, PEAK)
        loss = block_loss(model, blocks[rows])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        lab.report(step + 1, steps, loss.item())


# %% [markdown]
# ## 4. What it learned


# %%
@torch.no_grad()
def nats_per_byte(model, tokenizer, text):
    """Return the loss over all tokens of the text together, per byte of its UTF-8.

    Windows as in training: bos and up to BLOCK - 1 tokens, the last one may be shorter. Every
    token is predicted once.
    """
    model.eval()  # dropout would add noise
    ids = tokenizer.encode(text).ids
    bos, total = tokenizer.token_to_id(BOS), 0.0
    for start in range(0, len(ids), BLOCK - 1):
        window = torch.tensor([[bos, *ids[start : start + BLOCK - 1]]])
        total += block_loss(model, window).item() * (window.shape[1] - 1)
    return total / len(text.encode())


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
