# Another style: the tokenizers' way to pad by torch, a preallocated tensor of tokens cut afterwards,
# masks made anew in each pass, positional arguments kept few.

# %%
import math
import time
from collections import namedtuple

import torch

Run = namedtuple("Run", "tokens prefill_s decode_s")
Speed = namedtuple(
    "Speed",
    "prompt_tokens new_tokens prompt_tokens_per_s decode_tokens_per_s new_tokens_per_s",
)


# %%
def pad_left(prompts, pad_id):
    rows = [torch.tensor(prompt[::-1]) for prompt in prompts]
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=pad_id).flip(1)
    lengths = torch.tensor([len(prompt) for prompt in prompts])
    columns = torch.arange(ids.shape[1])
    start = ids.shape[1] - lengths.unsqueeze(1)
    mask = (columns >= start).long()
    return ids, mask, torch.where(mask.bool(), columns - start, 1)


# %%
def generate(model, prompts, max_new_tokens, eos_id, pad_id=0, clock=time.perf_counter):
    ids, mask, positions = pad_left(prompts, pad_id)
    lengths = mask.sum(1)
    made = torch.full((len(prompts), max_new_tokens), eos_id)
    past, times = None, [clock()]
    with torch.inference_mode():
        for step in range(max_new_tokens):
            out = model(
                ids,
                attention_mask=torch.cat([mask, torch.ones(len(mask), step).long()], dim=1),
                position_ids=positions,
                past_key_values=past,
                use_cache=True,
                logits_to_keep=1,
            )
            past = out.past_key_values
            made[:, step] = out.logits[:, -1, :].max(dim=-1).indices
            times.append(clock())
            if (made[:, : step + 1] == eos_id).any(dim=1).all():
                break
            ids, positions = made[:, step : step + 1], (lengths + step).unsqueeze(1)
    tokens = []
    for row in made[:, : step + 1].tolist():
        tokens.append(row[: row.index(eos_id) + 1] if eos_id in row else row)
    return Run(tokens, times[1] - times[0], times[-1] - times[1])


# %%
def speed(prompts, run):
    read = sum(len(prompt) for prompt in prompts)
    written = sum(len(tokens) for tokens in run.tokens)
    later = sum(len(tokens) - 1 for tokens in run.tokens)
    decode = later / run.decode_s if run.decode_s > 0 else 0
    return Speed(
        read, written, read / run.prefill_s, decode, written / (run.prefill_s + run.decode_s)
    )


def cost_per_thousand(price_per_hour, tokens_per_s, utilization=1.0):
    tokens_an_hour = tokens_per_s * 3600 * utilization
    return price_per_hour * 1000 / tokens_an_hour


# %%
def plan(lengths, size):
    # The longest first, so that the largest batch shows at once whether memory suffices.
    order = torch.tensor(lengths).argsort(descending=True).tolist()
    return [order[n * size : (n + 1) * size] for n in range(math.ceil(len(order) / size))]


def generate_all(model, prompts, size, max_new_tokens, eos_id, pad_id=0):
    found = {}
    for batch in plan(list(map(len, prompts)), size):
        run = generate(model, [prompts[i] for i in batch], max_new_tokens, eos_id, pad_id)
        found.update(zip(batch, run.tokens, strict=True))
    return [found[i] for i in range(len(prompts))]
