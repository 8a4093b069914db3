# Another style: left padding by the tokenizer with position ids, cross_entropy, generator of orders.

# %%
from itertools import permutations
from types import SimpleNamespace

import torch
from torch.nn.functional import cross_entropy

LABELS = (" negative", " positive")
CONTENT_FREE = ("N/A", "[MASK]", "")


# %%
def build_prompt(shots, text):
    prompt = ""
    for shot in shots:
        prompt += "Review: " + shot["text"] + "\nSentiment:" + LABELS[shot["label"]] + "\n\n"
    return prompt + "Review: " + text + "\nSentiment:"


# %%
def label_logprobs(model, tokenizer, prompts, labels=LABELS, mean=False, batch_size=16):
    columns = [_column(model, tokenizer, prompts, label, mean, batch_size) for label in labels]
    return torch.stack(columns, dim=1)


def _column(model, tokenizer, prompts, label, mean, batch_size):
    """The scores of one label after all prompts: it stands at the right edge of each row."""
    length = len(tokenizer.encode(label))
    found = []
    for start in range(0, len(prompts), batch_size):
        rows = [tokenizer.encode(p) + tokenizer.encode(label) for p in prompts[start:][:batch_size]]
        width = max(map(len, rows))
        ids = torch.full((len(rows), width), tokenizer.eos_token_id)
        mask = torch.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, width - len(row) :] = torch.tensor(row)
            mask[i, width - len(row) :] = 1
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        with torch.inference_mode():
            out = model(input_ids=ids, attention_mask=mask, position_ids=positions).logits
        predicted = out[:, -length - 1 : -1].float().transpose(1, 2)  # (rows, vocabulary, length)
        loss = cross_entropy(predicted, ids[:, -length:], reduction="none")
        found.append(-(loss.mean(1) if mean else loss.sum(1)))
    return torch.cat(found)


# %%
def calibrate(logprobs, content_free):
    bias = torch.log(torch.softmax(content_free, dim=1).mean(dim=0))
    return torch.softmax(torch.log_softmax(logprobs, dim=1) - bias, dim=1)


def classify(model, tokenizer, shots, texts, calibrated=False):
    both = label_logprobs(
        model, tokenizer, [build_prompt(shots, text) for text in (*texts, *CONTENT_FREE)]
    )
    own, empty = both[: len(texts)], both[len(texts) :]
    return torch.argmax(calibrate(own, empty) if calibrated else own, dim=1)


# %%
def order_effects(shots, evaluate):
    found = torch.tensor([evaluate(order) for order in permutations(shots)], dtype=torch.float64)
    return SimpleNamespace(
        accuracies=found, mean=found.mean().item(), spread=(found.max() - found.min()).item()
    )
