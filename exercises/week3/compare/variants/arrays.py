# Another style: Counter and numpy, losses through labels of the model, a chart painted as an array.
import math
from collections import Counter
from statistics import fmean

import numpy as np
import torch
from PIL import Image

COLUMNS = ("strategy", "distinct_1", "distinct_2", "repetition_4", "perplexity")


def windows(ids, n):
    return list(zip(*(ids[shift:] for shift in range(n)), strict=False))


def distinct_n(ids, n):
    count = Counter(windows(ids, n))
    return len(count) / max(1, count.total())


def repetition_rate(prompt_ids, new_ids, n):
    grams = windows([*prompt_ids, *new_ids], n)
    first = {gram: place for place, gram in reversed(list(enumerate(grams)))}
    mine = range(len(prompt_ids), len(grams))
    return fmean([first[grams[place]] < place for place in mine]) if len(mine) else 0.0


def token_losses(model, prompt_ids, new_ids):
    with torch.inference_mode():
        # One pass a token: slow, and nothing to shift.
        losses = []
        for place, token in enumerate(new_ids):
            ids = torch.tensor([[*prompt_ids, *new_ids[:place]]])
            losses.append(-torch.log_softmax(model(input_ids=ids).logits[0, -1], 0)[token].item())
    return losses


STRATEGIES = {"greedy": {"do_sample": False}, "beam_4": {"do_sample": False, "num_beams": 4}}
for label, changed in {
    "top_k_50": {"top_k": 50},
    "top_p_0.9": {"top_p": 0.9},
    "temperature_0.7": {"temperature": 0.7},
    "temperature_1.5": {"temperature": 1.5},
}.items():
    STRATEGIES[label] = {"do_sample": True, "top_k": 0} | changed


def continuation(model, prompt_ids, settings, max_new_tokens, seed):
    ids = torch.as_tensor(prompt_ids).unsqueeze(0)
    with torch.random.fork_rng():
        torch.random.manual_seed(seed)
        out = model.generate(ids, max_new_tokens=max_new_tokens, **settings)
    return [int(token) for token in out[0]][ids.shape[1] :]


def compare(model, prompts, strategies, max_new_tokens, seeds):
    table = []
    for label in strategies:
        cells = {name: [] for name in COLUMNS[1:]}
        for ids in prompts:
            for seed in seeds:
                new = continuation(model, ids, strategies[label], max_new_tokens, seed)
                cells["distinct_1"].append(distinct_n(new, 1))
                cells["distinct_2"].append(distinct_n(new, 2))
                cells["repetition_4"].append(repetition_rate(ids, new, 4))
                cells["perplexity"] += token_losses(model, ids, new)
        row = {name: fmean(values) for name, values in cells.items()}
        table.append({"strategy": label, **row, "perplexity": math.exp(row["perplexity"])})
    return table


def write_table(rows, path):
    quote = '"{}"'.format
    lines = [",".join(COLUMNS)]
    for row in rows:
        name = row["strategy"].replace('"', '""')
        lines.append(",".join([quote(name), *(f"{row[c]:.6g}" for c in COLUMNS[1:])]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def plot(rows, metric, path):
    values = np.array([row[metric] for row in rows])
    tall = np.rint(200 * values / values.max()).astype(int)
    canvas = np.full((240, 30 * len(rows) + 10, 3), 255, dtype=np.uint8)
    for place, pixels in enumerate(tall):
        canvas[220 - pixels : 220, 10 + 30 * place : 30 + 30 * place] = (0x1F, 0x77, 0xB4)
    Image.fromarray(canvas).save(path, format="PNG")
