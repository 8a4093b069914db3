# caught by: sliding_window
# The mean of the windows' means: a short last window weighs as much as a full one.
# %% [markdown]
# # Text from a causal LM, by hand
#
# A causal language model does one thing: it turns ids (B, T) into logits (B, T, V), where the
# logits at position i are about token i + 1. Generating, scoring and measuring are three ways to
# read them.

# %%
import math

import torch

from exercises import lab

# %% [markdown]
# ## The greedy loop
#
# Ids go in and come out as plain lists; only the new ids come out, with the EOS if there is one.


# %%
@torch.no_grad()
def greedy(model, ids: list[int], max_new_tokens: int, eos: int) -> list[int]:
    """Append the most probable token again and again, the whole text through the model each time."""
    ids, new = list(ids), []
    while len(new) < max_new_tokens:
        logits = model(input_ids=torch.tensor([ids + new])).logits  # (1, T, V)
        new.append(logits[0, -1].argmax().item())
        if new[-1] == eos:
            break
    return new


@torch.no_grad()
def greedy_cached(model, ids: list[int], max_new_tokens: int, eos: int) -> list[int]:
    """The same ids, but each token goes through the model once: keys and values are kept."""
    new, cache = [], None
    unseen = list(ids)
    while len(new) < max_new_tokens:
        output = model(input_ids=torch.tensor([unseen]), past_key_values=cache, use_cache=True)
        cache = output.past_key_values
        new.append(output.logits[0, -1].argmax().item())
        if new[-1] == eos:
            break
        unseen = new[-1:]  # the cache holds the rest
    return new


# %% [markdown]
# ## Ask it something


# %%
def chat_ids(tokenizer, question: str) -> list[int]:
    """Return the ids of a conversation with this one question, up to where the answer begins."""
    messages = [{"role": "user", "content": question}]
    encoded = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)
    return encoded["input_ids"]


def answer(model, tokenizer, question: str, max_new_tokens: int = 60) -> str:
    """Return the model's greedy answer as text, without the prompt and special tokens."""
    new = greedy_cached(
        model, chat_ids(tokenizer, question), max_new_tokens, tokenizer.eos_token_id
    )
    return tokenizer.decode(new, skip_special_tokens=True)


# %% [markdown]
# ## Score a text


# %%
@torch.no_grad()
def token_log_probs(model, ids: list[int]) -> torch.Tensor:
    """Return log P(ids[i] | ids[:i]) in nats for i = 1 … T - 1: (T - 1,)."""
    row = torch.tensor(ids)
    logits = model(input_ids=row[None]).logits[0]  # (T, V)
    log_probs = logits[:-1].log_softmax(dim=-1)  # the last position is about a token not there
    return log_probs.gather(1, row[1:, None]).squeeze(1)


def perplexity(model, ids: list[int], window: int, stride: int) -> float:
    """Return exp(mean negative log-probability) over the tokens 1 … T - 1 of a text of any length.

    Windows of at most `window` tokens begin at 0, stride, 2 stride, … (stride < window), until
    one reaches the end. Each window scores the tokens that none before it has scored, and uses
    its others as context.
    """
    total, scored, windows = 0.0, 1, 0
    for begin in range(0, len(ids), stride):
        end = min(begin + window, len(ids))
        log_probs = token_log_probs(model, ids[begin:end])
        total -= log_probs[scored - begin - 1 :].mean().item()
        windows += 1
        scored = end
        if end == len(ids):
            break
    return math.exp(total / windows)


# %% [markdown]
# ## Several at once


# %%
@torch.no_grad()
def greedy_batch(model, tokenizer, prompts: list[str], max_new_tokens: int) -> list[list[int]]:
    """Return for each prompt the ids that `greedy` would append to it, all rows in one batch.

    A row ends with tokenizer.eos_token_id, as with `greedy`. Positions: the models here take
    position_ids beside input_ids and attention_mask.
    """
    batch = tokenizer(prompts, padding=True, padding_side="left", return_tensors="pt")
    ids, mask = batch["input_ids"], batch["attention_mask"]  # (B, T)
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    rows, cache = [[] for _ in prompts], None
    for _ in range(max_new_tokens):
        output = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        )
        cache = output.past_key_values
        best = output.logits[:, -1].argmax(dim=-1)  # the last column is real in every row
        for row, token in zip(rows, best.tolist(), strict=True):
            if not _ended(row, tokenizer.eos_token_id):
                row.append(token)
        if all(_ended(row, tokenizer.eos_token_id) for row in rows):
            break
        ids, positions = best[:, None], positions[:, -1:] + 1
        mask = torch.cat([mask, torch.ones_like(ids)], dim=1)
    return rows


def _ended(row: list[int], eos: int) -> bool:
    return bool(row) and row[-1] == eos


# %% [markdown]
# ## Try it

# %%
if __name__ == "__main__":
    model, tokenizer = lab.load_base("float32")
    prompt = tokenizer("Once upon a time, in a small village,")["input_ids"]
    new = greedy_cached(model, prompt, 30, tokenizer.eos_token_id)
    print(tokenizer.decode(prompt + new))
    print(answer(model, tokenizer, "What is the capital of France?"))
    for text in ("The capital of France is Paris.", "The capital of France is banana."):
        text_ids = tokenizer(text)["input_ids"]
        print(text, f"perplexity {perplexity(model, text_ids, 1024, 512):.1f}")
        for i, value in zip(text_ids[1:], token_log_probs(model, text_ids).tolist(), strict=True):
            print(f"  {tokenizer.decode([i])!r:12} {value:7.2f}")
