# Another style: cross_entropy for the log-probabilities, softplus for the loss, rows in a loop.
# %%
import torch
import torch.nn.functional as F

KEYS = ("input_ids", "attention_mask", "completion_mask")


def collate(pairs, pad_id):
    from torch.nn.utils.rnn import pad_sequence

    columns = {name: [] for name in KEYS}
    for pair in pairs + pairs:
        rejected = len(columns["input_ids"]) >= len(pairs)
        answer = pair["rejected_ids" if rejected else "chosen_ids"]
        prompt = pair["prompt_ids"]
        columns["input_ids"].append(torch.tensor([*prompt, *answer]))
        columns["attention_mask"].append(torch.ones(len(prompt) + len(answer), dtype=torch.long))
        mask = torch.zeros(len(prompt) + len(answer), dtype=torch.long)
        mask[len(prompt) :] = 1
        columns["completion_mask"].append(mask)
    fill = dict(zip(KEYS, (pad_id, 0, 0), strict=True))
    return {
        name: pad_sequence(rows, batch_first=True, padding_value=fill[name])
        for name, rows in columns.items()
    }


def sequence_logps(logits, input_ids, completion_mask):
    labels = input_ids.masked_fill(completion_mask == 0, -100)[:, 1:]
    scores = logits.to(torch.float32)[:, :-1].transpose(1, 2)
    return -F.cross_entropy(scores, labels, ignore_index=-100, reduction="none").sum(-1)


def dpo_loss(policy, reference, beta, loss_type="sigmoid", label_smoothing=0.0, lengths=None):
    half = len(policy) // 2
    ratio = policy - reference
    if loss_type == "ipo":
        ratio = ratio / lengths
        return (ratio[:half] - ratio[half:] - 0.5 / beta).pow(2)
    margin = (ratio[:half] - ratio[half:]) * beta
    if loss_type == "robust":
        e = label_smoothing
        return ((1 - e) * F.softplus(-margin) - e * F.softplus(margin)) / (1 - 2 * e)
    return F.softplus(-margin)


@torch.no_grad()
def reward_metrics(policy, reference, beta):
    chosen, rejected = (beta * (policy - reference)).view(2, -1)
    margins = chosen - rejected
    return {
        "rewards/chosen": float(chosen.mean()),
        "rewards/rejected": float(rejected.mean()),
        "rewards/margins": float(margins.mean()),
        "rewards/accuracies": float((margins > 0).double().mean()),
    }


def dpo_step(model, reference_model, batch, beta, loss_type="sigmoid", label_smoothing=0.0):
    inputs = {name: batch[name] for name in KEYS[:2]}
    with torch.inference_mode():
        logits = reference_model(**inputs).logits
        reference = sequence_logps(logits, batch["input_ids"], batch["completion_mask"])
    reference = reference.clone()
    policy = sequence_logps(model(**inputs).logits, batch["input_ids"], batch["completion_mask"])
    lengths = batch["completion_mask"].sum(-1)
    loss = dpo_loss(policy, reference, beta, loss_type, label_smoothing, lengths).mean()
    return loss, reward_metrics(policy, reference, beta)
