# %% [markdown]
# # Strategies compared
#
# One model, six ways of decoding: continue prompts with each, measure the texts, and put the
# numbers into a table and a chart. Ids are lists of int.
#
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Check with `tutor check week3/compare`.

# %%
import csv  # noqa: F401
import math  # noqa: F401

import torch
from PIL import Image, ImageDraw  # noqa: F401

from exercises import lab

BAR = "#1f77b4"
COLUMNS = ["strategy", "distinct_1", "distinct_2", "repetition_4", "perplexity"]
PROMPTS = ["The best way to learn is", "Once upon a time, a lighthouse", "- Who are you?\n-"]

# %% [markdown]
# ## 1. Measures
#
# n-grams overlap: a b c d has three 2-grams.


# %%
def distinct_n(ids, n):
    """Return the share of different n-grams among all n-grams; 0.0 where there is none."""
    raise NotImplementedError("distinct_n: different n-grams over all n-grams")


def repetition_rate(prompt_ids, new_ids, n):
    """Return the share of the continuation's n-grams that stood earlier in prompt + continuation.

    Counted are the n-grams that lie wholly in new_ids; 0.0 where there is none.
    """
    raise NotImplementedError("repetition_rate: n-grams seen before, over all in the continuation")


@torch.no_grad()
def token_losses(model, prompt_ids, new_ids):
    """Return -ln p in nats of each of new_ids, given all that stands before it: (len(new_ids),).

    The prompt is context and is not scored.
    """
    raise NotImplementedError("token_losses: the loss of each new token")


# %% [markdown]
# ## 2. Strategies
#
# Settings for model.generate. Write out everything that matters: what does generate() do about
# top_k when you do not say?

# %%
STRATEGIES = {
    "greedy": {"do_sample": False, "num_beams": 1},
    # "beam_4", "top_k_50", "top_p_0.9", "temperature_0.7", "temperature_1.5"
}


def continuation(model, prompt_ids, settings, max_new_tokens, seed):
    """Return the new ids alone, the same on every call with the same seed."""
    raise NotImplementedError("continuation: seed, generate, cut the prompt off")


# %% [markdown]
# ## 3. The comparison


# %%
def compare(model, prompts, strategies, max_new_tokens, seeds):
    """Return one row (dict of COLUMNS) for each strategy, in order.

    prompts: lists of ids. Each strategy continues each prompt once for each seed. distinct_n and
    repetition are means over the continuations; perplexity is over all their tokens together.
    """
    raise NotImplementedError("compare: a row of COLUMNS for each strategy")


# %% [markdown]
# ## 4. A table and a chart
#
# Pillow is installed; with matplotlib (`pip install matplotlib`), ax.bar does the same.


# %%
def write_table(rows, path):
    """Write the rows as CSV with a header, numbers with at least four significant digits."""
    raise NotImplementedError("write_table: csv.DictWriter")


def plot(rows, metric, path):
    """Draw one vertical bar of colour BAR for each row, in order, as PNG.

    The bars stand apart, begin at 0, and their heights are proportional to row[metric].
    """
    raise NotImplementedError("plot: an image with a bar for each row")


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
