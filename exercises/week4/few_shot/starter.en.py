# %% [markdown]
# # Sentiment by prompt
#
# A language model classifies without being trained for it: put the review into a prompt, and ask
# which label it finds more probable as the continuation (Brown et al. 2020, arXiv 2005.14165).
# Then see how much the order of the examples decides, and calibrate it away as far as that goes
# (Zhao et al. 2021, arXiv 2102.09690).
#
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Check with `tutor check week4/few_shot`.

# %%
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch

LABELS = (" negative", " positive")
"""By number: 0 and 1. With the space before the word, which belongs to its token."""
CONTENT_FREE = ("N/A", "[MASK]", "")
"""Texts without sentiment, as in the paper's section 5."""

Review = dict  # {"text": str, "label": 0 or 1}

# %% [markdown]
# ## The prompt


# %%
def build_prompt(shots: Sequence[Review], text: str) -> str:
    """Return the shots and the open question, a blank line between two of them:

    Review: <text>
    Sentiment: <positive or negative>

    Review: <text>
    Sentiment:
    """
    raise NotImplementedError("build_prompt: the shots, then the open question")


# %% [markdown]
# ## The log-probability of a continuation
#
# For the tokens y of a label after a prompt x: `log p(y | x) = sum over t of log p(y_t | x, y_<t)`.
# The model's output at position i is its prediction for position i + 1.


# %%
@torch.no_grad()
def label_logprobs(
    model,
    tokenizer,
    prompts: Sequence[str],
    labels: Sequence[str] = LABELS,
    mean: bool = False,
    batch_size: int = 16,
) -> torch.Tensor:
    """Return log p(label | prompt), float32, (prompts, labels).

    mean: divide by the label's number of tokens, so that a long label is not punished for its
    length. batch_size: sequences (a prompt with one label each) in a forward pass.
    """
    raise NotImplementedError("label_logprobs: tokens, one batch, the label's positions, a sum")


# %% [markdown]
# ## Contextual calibration
#
# Asked about "N/A", a fair classifier would say one half. What it says instead is the bias of
# this prompt: divide by it.


# %%
def calibrate(logprobs: torch.Tensor, content_free: torch.Tensor) -> torch.Tensor:
    """Return calibrated probabilities (n, labels), each row sums to one.

    logprobs: (n, labels). content_free: the same for m content-free texts in the same prompt,
    (m, labels). Both are made probabilities over the labels first; the m are averaged
    (arXiv 2102.09690, section 5: q proportional to p / p_cf).
    """
    raise NotImplementedError("calibrate: softmax, mean over the empty texts, divide, normalize")


# %%
def classify(
    model, tokenizer, shots: Sequence[Review], texts: Sequence[str], calibrated: bool = False
) -> list[int]:
    """Return the number of the most probable label for each text."""
    raise NotImplementedError("classify: prompts, scores, perhaps calibrated, the best label")


# %% [markdown]
# ## Order effects


# %%
@dataclass(frozen=True)
class Orders:
    """One accuracy for each order of the shots; spread: best minus worst."""

    accuracies: list[float]
    mean: float
    spread: float


def order_effects(shots: Sequence[Review], evaluate: Callable[[Sequence[Review]], float]) -> Orders:
    """Evaluate every order of the shots, n! of them, once each."""
    raise NotImplementedError("order_effects: evaluate every order once")


# %% [markdown]
# ## Try it
#
# 40 held-out reviews: without shots, then in all orders of three shots, raw and calibrated.

# %%
if __name__ == "__main__":
    from exercises import lab

    model, tokenizer = lab.load_base()
    model.eval()
    train, held_out = lab.reviews()
    texts, gold = [r["text"] for r in held_out[:40]], [r["label"] for r in held_out[:40]]

    def accuracy(shots: Sequence[Review], calibrated: bool) -> float:
        found = classify(model, tokenizer, shots, texts, calibrated)
        return sum(f == g for f, g in zip(found, gold, strict=True)) / len(gold)

    print(f"no shots: {accuracy([], False):.2f}, calibrated {accuracy([], True):.2f}")
    shots = [*[r for r in train if r["label"]][:1], *[r for r in train if not r["label"]][:2]]
    for calibrated in (False, True):
        found = order_effects(shots, partial(accuracy, calibrated=calibrated))
        listed = ", ".join(f"{a:.2f}" for a in sorted(found.accuracies))
        print(
            f"calibrated={calibrated}: mean {found.mean:.2f}, spread {found.spread:.2f}: {listed}"
        )
