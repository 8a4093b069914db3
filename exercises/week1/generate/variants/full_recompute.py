# Another style: a generator, sorting instead of argmax, the chat template as a string, cross-entropy
# with ignored labels (as the transformers docs do it), a batch without a cache, padded by hand.
# %%
import itertools

import torch
from torch.nn import functional as F

IGNORED = -100


# %%
def next_ids(model, tokens):
    """Yield greedy ids for ever, without a cache."""
    tokens = torch.as_tensor(tokens).reshape(1, -1)
    while True:
        with torch.inference_mode():
            scores = model(tokens, use_cache=False).logits[:, -1, :]
        best = scores.sort(dim=-1, descending=True, stable=True).indices[:, :1]
        tokens = torch.cat((tokens, best), dim=-1)
        yield int(best)


def until(stream, eos, limit):
    taken = []
    for token in itertools.islice(stream, limit):
        taken.append(token)
        if token == eos:
            return taken
    return taken


def greedy(model, ids, max_new_tokens, eos):
    return until(next_ids(model, ids), eos, max_new_tokens)


def cached_ids(model, tokens):
    with torch.inference_mode():
        out = model(torch.tensor([tokens]), use_cache=True)
    while True:
        best = out.logits[:, -1:].argmax(-1)
        yield best.item()
        with torch.inference_mode():
            out = model(best, past_key_values=out.past_key_values, use_cache=True)


def greedy_cached(model, ids, max_new_tokens, eos):
    return torch.tensor(until(cached_ids(model, list(ids)), eos, max_new_tokens))


# %%
def chat_ids(tokenizer, question):
    turn = {"content": question, "role": "user"}
    text = tokenizer.apply_chat_template([turn], tokenize=False, add_generation_prompt=True)
    return tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids


def answer(model, tokenizer, question, max_new_tokens=60):
    prompt = chat_ids(tokenizer, question)[0].tolist()
    reply = greedy(model, prompt, max_new_tokens, tokenizer.eos_token_id)
    if reply[-1] == tokenizer.eos_token_id:
        reply.pop()
    return tokenizer.decode(reply).strip()


# %%
def token_log_probs(model, ids):
    tokens = torch.tensor([ids])
    logits = model(tokens).logits.float()
    return -F.cross_entropy(logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")[0]


def perplexity(model, ids, window, stride):
    tokens, nll, seen = torch.tensor(ids), torch.zeros((), dtype=torch.float64), 0
    for start in itertools.count(0, stride):
        stop = min(start + window, len(tokens))
        labels = tokens[start:stop].clone()
        labels[: max(seen - start, 1)] = IGNORED
        with torch.inference_mode():
            logits = model(tokens[None, start:stop]).logits[0, :-1]
        nll += F.cross_entropy(logits, labels[1:], ignore_index=IGNORED, reduction="sum").double()
        seen = stop
        if stop == len(tokens):
            return torch.exp(nll / (len(tokens) - 1))


# %%
def greedy_batch(model, tokenizer, prompts, max_new_tokens):
    rows = [tokenizer(prompt).input_ids for prompt in prompts]
    new = [[] for _ in rows]
    open_rows = set(range(len(rows)))
    for _ in range(max_new_tokens):
        texts = [row + added for row, added in zip(rows, new, strict=True)]
        width = max(map(len, texts))
        ids = torch.tensor([[0] * (width - len(t)) + t for t in texts])
        mask = torch.tensor([[0] * (width - len(t)) + [1] * len(t) for t in texts])
        places = torch.tensor([[0] * (width - len(t)) + list(range(len(t))) for t in texts])
        with torch.inference_mode():
            logits = model(ids, attention_mask=mask, position_ids=places, use_cache=False).logits
        for row in sorted(open_rows):
            new[row].append(int(logits[row, -1].argmax()))
            if new[row][-1] == tokenizer.eos_token_id:
                open_rows.discard(row)
        if not open_rows:
            break
    return new
