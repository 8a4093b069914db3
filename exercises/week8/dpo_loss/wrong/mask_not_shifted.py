# caught by: sequence_logps
# The mask is one to the left: the prompt's last token in, the response's last one out.
# %% [markdown]
# # The DPO loss by hand
#
# Rafailov et al. 2023, "Direct Preference Optimization" (arXiv 2305.18290), equation 7:
# `loss = -ln sigmoid(beta * [(ln p - ln p_ref)(chosen) - (ln p - ln p_ref)(rejected)])`, where p
# is the probability of a whole response, given its prompt.
#
# A batch of B pairs has 2B rows: the chosen responses first, then the rejected ones.

# %%
import copy

import torch
from torch.nn import functional as F

from exercises import lab

# %% [markdown]
# ## 1. A batch


# %%
def collate(pairs: list[dict[str, list[int]]], pad_id: int) -> dict[str, torch.Tensor]:
    """Return input_ids, attention_mask and completion_mask, (2B, T) int64, padded on the right.

    pairs: prompt_ids, chosen_ids, rejected_ids. completion_mask is 1 on the response's tokens.
    """
    rows = [
        (pair["prompt_ids"], pair[which])
        for which in ("chosen_ids", "rejected_ids")
        for pair in pairs
    ]
    longest = max(len(prompt) + len(response) for prompt, response in rows)

    def padded(row, value):
        return row + [value] * (longest - len(row))

    batch = {
        "input_ids": [padded(p + r, pad_id) for p, r in rows],
        "attention_mask": [padded([1] * len(p + r), 0) for p, r in rows],
        "completion_mask": [padded([0] * len(p) + [1] * len(r), 0) for p, r in rows],
    }
    return {name: torch.tensor(values) for name, values in batch.items()}


# %% [markdown]
# ## 2. The log-probability of a response


# %%
def sequence_logps(
    logits: torch.Tensor, input_ids: torch.Tensor, completion_mask: torch.Tensor
) -> torch.Tensor:
    """Return the sum of ln p over each row's response tokens: (rows,) in nats.

    logits: (rows, T, vocabulary); those at position t predict token t + 1.
    """
    logps = logits[:, :-1].float().log_softmax(dim=-1)
    taken = logps.gather(-1, input_ids[:, 1:].unsqueeze(-1)).squeeze(-1)  # (rows, T - 1)
    return (taken * completion_mask[:, :-1]).sum(dim=1)


# %% [markdown]
# ## 3. The loss


# %%
def log_ratios(policy: torch.Tensor, reference: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ln p - ln p_ref of the chosen and of the rejected responses: (B,) each."""
    chosen, rejected = (policy - reference).chunk(2)
    return chosen, rejected


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
    (arXiv 2310.12036; log-ratios a token). lengths: (2B,) response tokens, for "ipo".
    """
    chosen, rejected = log_ratios(policy, reference)
    margin = beta * (chosen - rejected)
    if loss_type == "sigmoid":
        return -F.logsigmoid(margin)  # log(sigmoid(x)) would be -inf from x = -104 on
    if loss_type == "robust":
        right, flipped = -F.logsigmoid(margin), -F.logsigmoid(-margin)
        # Its mean over the noise is the loss on clean labels.
        expected = (1 - label_smoothing) * right - label_smoothing * flipped
        return expected / (1 - 2 * label_smoothing)
    if loss_type == "ipo":
        chosen_length, rejected_length = lengths.chunk(2)
        difference = chosen / chosen_length - rejected / rejected_length
        return (difference - 1 / (2 * beta)) ** 2
    raise ValueError(f"loss_type: {loss_type!r}; known are sigmoid, robust and ipo")


# %% [markdown]
# ## 4. What the curves show


# %%
def reward_metrics(policy: torch.Tensor, reference: torch.Tensor, beta: float) -> dict[str, float]:
    """Return the means over the pairs that trl logs as rewards/chosen, rewards/rejected,
    rewards/margins and rewards/accuracies (the share of pairs with a margin above 0)."""
    chosen, rejected = (beta * ratio.detach() for ratio in log_ratios(policy, reference))
    return {
        "rewards/chosen": chosen.mean().item(),
        "rewards/rejected": rejected.mean().item(),
        "rewards/margins": (chosen - rejected).mean().item(),
        "rewards/accuracies": (chosen > rejected).float().mean().item(),
    }


# %% [markdown]
# ## 5. One step


# %%
def responses_logps(model, batch):
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    return sequence_logps(logits, batch["input_ids"], batch["completion_mask"])


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
    policy = responses_logps(model, batch)
    with torch.no_grad():
        reference = responses_logps(reference_model, batch)
    lengths = batch["completion_mask"].sum(dim=1)
    losses = dpo_loss(policy, reference, beta, loss_type, label_smoothing, lengths)
    return losses.mean(), reward_metrics(policy, reference, beta)


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
