# %% [markdown]
# # More shots, better accuracy?
#
# Figure 1.2 of the GPT-3 paper (Brown et al. 2020, arXiv 2005.14165) draws accuracy against the
# number of examples in the prompt. Here is that figure for a model of 135M parameters: a curve
# with its uncertainty, from a fair experiment.
#
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Check with `tutor check week4/icl`.

# %%
from collections.abc import Callable, Sequence
from dataclasses import dataclass

LABELS = (" A", " B")
"""Class 0 and class 1. The names say nothing about the classes: only the shots can."""
ANIMALS = (
    "dog cat horse cow pig sheep goat lion tiger bear wolf fox rabbit mouse deer monkey elephant "
    "zebra camel donkey"
)
COUNTRIES = (
    "France Japan Brazil Egypt Canada Norway Peru Kenya India Spain Italy Greece Chile Cuba "
    "Poland Turkey Sweden Iran Nepal Mexico"
)
POOL = [(word, 0) for word in ANIMALS.split()] + [(word, 1) for word in COUNTRIES.split()]

Item = tuple[str, int]
"""A word and its class."""
Predict = Callable[[list[Item], list[str]], Sequence[int]]
"""predict(shots, words) -> a class for each word."""

# %% [markdown]
# ## The model (given)
#
# The shots are read once, and their keys and values are shared by all the words: the KV cache of
# a common prefix, which makes sixteen shots nearly as cheap as one.


# %%
def model_predict(model, tokenizer) -> Predict:
    """Return a predict() that asks the model which label is the likelier next token."""
    import torch

    names = [tokenizer(label, add_special_tokens=False)["input_ids"] for label in LABELS]
    first = [ids[0] for ids in names]  # both labels are one token each

    @torch.no_grad()
    def predict(shots: list[Item], words: list[str]) -> list[int]:
        queries = [tokenizer(f"{w} ->", add_special_tokens=False)["input_ids"] for w in words]
        longest = max(map(len, queries))
        ids = torch.tensor([q + [0] * (longest - len(q)) for q in queries])
        mask = torch.tensor([[1] * len(q) + [0] * (longest - len(q)) for q in queries])
        cache = None
        if shots:
            text = "".join(f"{word} ->{LABELS[label]}\n" for word, label in shots)
            prefix = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"]])
            cache = model(prefix, use_cache=True).past_key_values
            cache.batch_repeat_interleave(len(words))
            mask = torch.cat([torch.ones(len(words), prefix.shape[1], dtype=mask.dtype), mask], 1)
        logits = model(ids, attention_mask=mask, past_key_values=cache).logits
        ends = torch.tensor([len(q) - 1 for q in queries])
        return logits[torch.arange(len(words)), ends][:, first].argmax(-1).tolist()

    return predict


# %% [markdown]
# ## The experiment
#
# Fair means: no test word among the shots, as many shots of one class as of the other, in mixed
# order, and several draws of each size.


# %%
def split(pool: Sequence[Item], test_per_class: int, seed: int) -> tuple[list[Item], list[Item]]:
    """Return (train, test): test has test_per_class items of each class, train all the others."""
    raise NotImplementedError("split: test items of each class, all others to train")


def draw_shots(train: Sequence[Item], k: int, seed: int) -> list[Item]:
    """Return k different items in random order, the same for the same seed; the numbers of the
    two classes differ by one at most (for an odd k, which class has more is random too)."""
    raise NotImplementedError("draw_shots: balanced, mixed, fixed by the seed")


# %%
@dataclass(frozen=True)
class Point:
    """One place on the curve: an accuracy for each draw of k shots."""

    k: int
    accuracies: list[float]
    mean: float
    error: float
    """Standard error of the mean: s / sqrt(n), with s from n - 1 degrees of freedom."""
    interval: tuple[float, float]
    """95 % bootstrap interval of the mean."""


def measure(
    predict: Predict,
    train: Sequence[Item],
    test: Sequence[Item],
    sizes: Sequence[int] = (0, 1, 2, 4, 8, 16),
    seeds: Sequence[int] = (0, 1, 2, 3, 4, 5),
) -> list[Point]:
    """Return a point for each size: every seed draws its own shots, all meet the same test."""
    raise NotImplementedError("measure: every size with every seed, on the same test")


# %% [markdown]
# ## How sure is the mean?


# %%
def standard_error(values: Sequence[float]) -> float:
    """Return s / sqrt(n), s with n - 1 degrees of freedom; n is at least 2."""
    raise NotImplementedError("standard_error: s / sqrt(n)")


def bootstrap(values: Sequence[float], draws: int = 2000, seed: int = 0) -> tuple[float, float]:
    """Return the 2.5th and 97.5th percentile of the means of resamples with replacement."""
    raise NotImplementedError("bootstrap: resample, mean, sort, two percentiles")


# %% [markdown]
# ## To be looked at


# %%
def draw_plot(points: Sequence[Point], width: int = 40) -> str:
    """Return the curve as text, a line for each point: k, the mean with two decimals, and `#` in
    number proportional to the mean (width of them for 1.0, rounded)."""
    raise NotImplementedError("draw_plot: a line for each point, a bar from zero")


# %% [markdown]
# ## Try it

# %%
if __name__ == "__main__":
    from exercises import lab

    model, tokenizer = lab.load_base()
    train, test = split(POOL, test_per_class=8, seed=0)
    points = measure(model_predict(model.eval(), tokenizer), train, test)
    print(draw_plot(points))
    for p in points:
        low, high = p.interval
        print(f"k = {p.k:2d}: {p.mean:.3f} ± {p.error:.3f}, 95 % [{low:.3f}, {high:.3f}]")
