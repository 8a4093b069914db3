# caught by: logprobs
# Strips the label: 'positive' is another token than ' positive'.
# %% [markdown]
# # Sentiment by prompt
#
# A language model classifies without being trained for it: put the review into a prompt, and ask
# which label it finds more probable as the continuation (Brown et al. 2020, arXiv 2005.14165).
# Then see how much the order of the examples decides, and calibrate it away as far as that goes
# (Zhao et al. 2021, arXiv 2102.09690).

# %%
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import permutations

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
    solved = [f"Review: {shot['text']}\nSentiment:{LABELS[shot['label']]}\n\n" for shot in shots]
    return "".join(solved) + f"Review: {text}\nSentiment:"


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
    rows = []  # (all token ids, how many of them are the label's)
    for prompt in prompts:
        given = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        for label in labels:
            wanted = tokenizer(label.strip(), add_special_tokens=False)["input_ids"]
            rows.append((given + wanted, len(wanted)))
    scores = []
    for start in range(0, len(rows), batch_size):
        scores += score_rows(model, rows[start : start + batch_size], mean)
    return torch.stack(scores).view(len(prompts), len(labels))


def score_rows(model, rows: list[tuple[list[int], int]], mean: bool) -> list[torch.Tensor]:
    """Score some sequences in one forward pass, padded on the right: what comes after a token
    cannot change its prediction, and positions count from the left as ever."""
    longest = max(len(ids) for ids, _ in rows)
    padded = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in rows])
    mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in rows])
    logits = model(input_ids=padded, attention_mask=mask).logits  # (rows, longest, vocabulary)
    scores = []
    for row, (ids, length) in zip(logits, rows, strict=True):
        end = len(ids)
        # Softmax over these few positions only: the whole would take half a gigabyte.
        logprobs = row[end - length - 1 : end - 1].float().log_softmax(-1)
        each = logprobs.gather(1, torch.tensor(ids[end - length :])[:, None])
        scores.append(each.mean() if mean else each.sum())
    return scores


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
    bias = content_free.softmax(-1).mean(0)
    weighted = logprobs.softmax(-1) / bias
    return weighted / weighted.sum(-1, keepdim=True)


# %%
def classify(
    model, tokenizer, shots: Sequence[Review], texts: Sequence[str], calibrated: bool = False
) -> list[int]:
    """Return the number of the most probable label for each text."""
    scores = label_logprobs(model, tokenizer, [build_prompt(shots, text) for text in texts])
    if calibrated:
        empty = [build_prompt(shots, text) for text in CONTENT_FREE]
        scores = calibrate(scores, label_logprobs(model, tokenizer, empty))
    return scores.argmax(-1).tolist()


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
    accuracies = [evaluate(list(order)) for order in permutations(shots)]
    return Orders(accuracies, sum(accuracies) / len(accuracies), max(accuracies) - min(accuracies))


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
