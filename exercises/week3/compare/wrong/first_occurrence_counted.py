# caught by: repetition_rate
# Counts every n-gram that occurs more than once, its first time too.
# %% [markdown]
# # Strategies compared
#
# One model, six ways of decoding: continue prompts with each, measure the texts, and put the
# numbers into a table and a chart. Ids are lists of int.

# %%
import csv
import math

import torch
from PIL import Image, ImageDraw

from exercises import lab

BAR = "#1f77b4"
COLUMNS = ["strategy", "distinct_1", "distinct_2", "repetition_4", "perplexity"]
PROMPTS = ["The best way to learn is", "Once upon a time, a lighthouse", "- Who are you?\n-"]

# %% [markdown]
# ## 1. Measures


# %%
def ngrams(ids, n):
    return [tuple(ids[start : start + n]) for start in range(len(ids) - n + 1)]


def distinct_n(ids, n):
    """Return the share of different n-grams among all n-grams; 0.0 where there is none."""
    grams = ngrams(ids, n)
    return len(set(grams)) / len(grams) if grams else 0.0


def repetition_rate(prompt_ids, new_ids, n):
    """Return the share of the continuation's n-grams that stood earlier in prompt + continuation.

    Counted are the n-grams that lie wholly in new_ids; 0.0 where there is none.
    """
    grams = ngrams(prompt_ids + new_ids, n)
    repeated = sum(grams.count(gram) > 1 for gram in grams[len(prompt_ids) :])
    count = max(0, len(new_ids) - n + 1)
    return repeated / count if count else 0.0


@torch.no_grad()
def token_losses(model, prompt_ids, new_ids):
    """Return -ln p in nats of each of new_ids, given all that stands before it: (len(new_ids),).

    The prompt is context and is not scored.
    """
    logits = model(torch.tensor([prompt_ids + new_ids])).logits[0].float()
    # Position t predicts token t + 1: the first new token from the prompt's last position.
    before = logits[len(prompt_ids) - 1 : -1]
    return torch.nn.functional.cross_entropy(before, torch.tensor(new_ids), reduction="none")


# %% [markdown]
# ## 2. Strategies
#
# Everything that matters is written out: generate() cuts at top_k = 50 unless told otherwise, and
# without do_sample=True a temperature does nothing.

# %%
SAMPLED = {"do_sample": True, "num_beams": 1, "temperature": 1.0, "top_k": 0, "top_p": 1.0}
STRATEGIES = {
    "greedy": {"do_sample": False, "num_beams": 1},
    "beam_4": {"do_sample": False, "num_beams": 4},
    "top_k_50": {**SAMPLED, "top_k": 50},
    "top_p_0.9": {**SAMPLED, "top_p": 0.9},
    "temperature_0.7": {**SAMPLED, "temperature": 0.7},
    "temperature_1.5": {**SAMPLED, "temperature": 1.5},
}


def continuation(model, prompt_ids, settings, max_new_tokens, seed):
    """Return the new ids alone, the same on every call with the same seed."""
    torch.manual_seed(seed)  # generate draws from torch's global generator
    ids = torch.tensor([prompt_ids])
    output = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=max_new_tokens,
        pad_token_id=model.generation_config.eos_token_id,
        **settings,
    )
    return output[0, len(prompt_ids) :].tolist()


# %% [markdown]
# ## 3. The comparison


# %%
def compare(model, prompts, strategies, max_new_tokens, seeds):
    """Return one row (dict of COLUMNS) for each strategy, in order.

    prompts: lists of ids. Each strategy continues each prompt once for each seed. distinct_n and
    repetition are means over the continuations; perplexity is over all their tokens together.
    """
    rows = []
    for name, settings in strategies.items():
        texts = [
            (prompt, continuation(model, prompt, settings, max_new_tokens, seed))
            for prompt in prompts
            for seed in seeds
        ]
        losses = torch.cat([token_losses(model, prompt, new) for prompt, new in texts])
        rows.append(
            {
                "strategy": name,
                "distinct_1": mean(distinct_n(new, 1) for _, new in texts),
                "distinct_2": mean(distinct_n(new, 2) for _, new in texts),
                "repetition_4": mean(repetition_rate(prompt, new, 4) for prompt, new in texts),
                "perplexity": math.exp(losses.mean().item()),
            }
        )
    return rows


def mean(values):
    values = list(values)
    return sum(values) / len(values)


# %% [markdown]
# ## 4. A table and a chart


# %%
def write_table(rows, path):
    """Write the rows as CSV with a header, numbers with at least four significant digits."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def plot(rows, metric, path):
    """Draw one vertical bar of colour BAR for each row, in order, as PNG.

    The bars stand apart, begin at 0, and their heights are proportional to row[metric].
    """
    bar, gap, height, margin = 60, 60, 300, 40
    image = Image.new("RGB", (gap + len(rows) * (bar + gap), height + 2 * margin), "white")
    draw = ImageDraw.Draw(image)
    draw.text((gap, 10), metric, fill="black")
    highest = max(row[metric] for row in rows)
    base = margin + height
    for place, row in enumerate(rows):
        left = gap + place * (bar + gap)
        top = base - round(height * row[metric] / highest)
        draw.rectangle((left, top, left + bar - 1, base - 1), fill=BAR)
        draw.text((left, top - 14), f"{row[metric]:.3g}", fill="black")
        draw.text((left - gap // 4, base + 8), row["strategy"], fill="black")
    draw.line((gap // 2, base, image.width - gap // 2, base), fill="black")
    image.save(path)


# %% [markdown]
# ## Try it: a few minutes

# %%
if __name__ == "__main__":
    model, tokenizer = lab.load_base("float32")
    prompts = [tokenizer(text)["input_ids"] for text in PROMPTS]
    rows = compare(model, prompts, STRATEGIES, max_new_tokens=30, seeds=[1, 2])
    for row in rows:
        print({name: x if isinstance(x, str) else round(x, 3) for name, x in row.items()})
    write_table(rows, lab.run_dir() / "strategies.csv")
    for metric in COLUMNS[1:]:
        plot(rows, metric, lab.run_dir() / f"{metric}.png")
    print(f"table and charts: {lab.run_dir()}")
