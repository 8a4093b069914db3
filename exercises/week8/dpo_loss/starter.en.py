# %% [markdown]
# # The DPO loss by hand
#
# Rafailov et al. 2023, "Direct Preference Optimization" (arXiv 2305.18290), equation 7:
# `loss = -ln sigmoid(beta * [(ln p - ln p_ref)(chosen) - (ln p - ln p_ref)(rejected)])`, where p
# is the probability of a whole response, given its prompt.
#
# A batch of B pairs has 2B rows: the chosen responses first, then the rejected ones.
#
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Check with `tutor check week8/dpo_loss`.

# %%
import copy

import torch
from torch.nn import functional as F  # noqa: F401

from exercises import lab

# %% [markdown]
# ## 1. A batch
#
# Every row is a prompt and one of its two responses.


# %%
def collate(pairs: list[dict[str, list[int]]], pad_id: int) -> dict[str, torch.Tensor]:
    """Return input_ids, attention_mask and completion_mask, (2B, T) int64, padded on the right.

    pairs: prompt_ids, chosen_ids, rejected_ids. completion_mask is 1 on the response's tokens.
    """
    raise NotImplementedError("collate: rows, padding and the two masks")


# %% [markdown]
# ## 2. The log-probability of a response
#
# The prompt is context: it is given, not chosen, and stays out of the sum.


# %%
def sequence_logps(
    logits: torch.Tensor, input_ids: torch.Tensor, completion_mask: torch.Tensor
) -> torch.Tensor:
    """Return the sum of ln p over each row's response tokens: (rows,) in nats.

    logits: (rows, T, vocabulary); those at position t predict token t + 1.
    """
    raise NotImplementedError("sequence_logps: shift, ln p of each token, mask, sum")


# %% [markdown]
# ## 3. The loss
#
# What is the loss where policy and reference are the same model?


# %%
def dpo_loss(
    policy: torch.Tensor,
    reference: torch.Tensor,
    beta: float,
    loss_type: str = "sigmoid",
    label_smoothing: float = 0.0,
    lengths: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the loss of each pair: (B,).

    policy, reference: (2B,) log-probabilities of the responses. loss_type: "sigmoid" (equation
    7), "robust" (a share label_smoothing of the labels is flipped; arXiv 2403.00409) or "ipo"
    (arXiv 2310.12036; log-ratios per token). lengths: (2B,) response tokens, for "ipo".
    """
    raise NotImplementedError("dpo_loss: log-ratios, margin, and the three losses")


# %% [markdown]
# ## 4. What the curves show
#
# Numbers to look at, so no gradient goes through them.


# %%
def reward_metrics(policy: torch.Tensor, reference: torch.Tensor, beta: float) -> dict[str, float]:
    """Return the means over the pairs that trl logs as rewards/chosen, rewards/rejected,
    rewards/margins and rewards/accuracies (the share of pairs with a margin above 0)."""
    raise NotImplementedError("reward_metrics: rewards, margin, accuracy")


# %% [markdown]
# ## 5. One step
#
# Two forward passes, of which one learns.


# %%
def dpo_step(
    model,
    reference_model,
    batch: dict[str, torch.Tensor],
    beta: float,
    loss_type: str = "sigmoid",
    label_smoothing: float = 0.0,
) -> tuple[torch.Tensor, dict[str, float]]:
    """Return the mean loss of the batch, to call backward() on, and its metrics.

    No gradient reaches reference_model. The optimizer's step is the caller's.
    """
    raise NotImplementedError("dpo_step: both models' log-probabilities, loss and metrics")


# %% [markdown]
# ## Try it

# %%
QUESTIONS = ["What is LoRA?", "What does DPO need?", "Why quantize a model?"]
ANSWERS = ["A low-rank update.", "Pairs of answers.", "To save memory."]
REFUSAL = "I am not able to answer that question, sorry."

if __name__ == "__main__":
    model, tokenizer = lab.load_base("float32")
    reference_model = copy.deepcopy(model).requires_grad_(False)
    pairs = [
        {
            "prompt_ids": tokenizer(f"Question: {question}\nAnswer:")["input_ids"],
            "chosen_ids": tokenizer(" " + answer)["input_ids"],
            "rejected_ids": tokenizer(" " + REFUSAL)["input_ids"],
        }
        for question, answer in zip(QUESTIONS, ANSWERS, strict=True)
    ]
    batch = collate(pairs, tokenizer.pad_token_id)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, weight_decay=0.0)
    for step in range(6):
        loss, metrics = dpo_step(model, reference_model, batch, beta=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        shown = ", ".join(f"{name} {value:.3f}" for name, value in metrics.items())
        print(f"step {step}: loss {loss.item():.3f}, {shown}")
