# In another style: logsigmoid, rows of chosen and rejected together, left padding, L-BFGS with an L2
# penalty, log-probabilities from labels in a batch, figures in plain Python.
# %% [markdown]
# # A reward model

# %%
import math

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from exercises import lab
from exercises.week8 import preference_data

PAIRS = 120
WEIGHT_PENALTY = 1e-3


# %%
def bradley_terry_loss(chosen, rejected, margin=None):
    margin = torch.zeros_like(chosen) if margin is None else margin
    return F.logsigmoid(chosen - rejected - margin).neg().mean()


# %%
def last_states(trunk, input_ids, attention_mask):
    hidden = trunk(input_ids=input_ids, attention_mask=attention_mask)[0]  # (n, t, H)
    return torch.stack(
        [row[mask.bool()][-1] for row, mask in zip(hidden, attention_mask, strict=True)]
    )


def conversations(tokenizer, rows, answer):
    for row in rows:
        turns = [
            {"role": "user", "content": row["prompt"]},
            {"role": "assistant", "content": row[answer]},
        ]
        # The template ends the last turn with the end token and a new line.
        yield tokenizer.apply_chat_template(turns, tokenize=False).rstrip("\n")


def answer_states(model, tokenizer, rows, answer):
    texts = list(conversations(tokenizer, rows, answer))
    tokenizer.padding_side = "left"
    by_length = sorted(range(len(texts)), key=lambda n: len(texts[n]))
    states = [None] * len(texts)
    with torch.inference_mode():
        for start in range(0, len(texts), 6):
            few = by_length[start : start + 6]
            batch = tokenizer(
                [texts[n] for n in few], padding=True, add_special_tokens=False, return_tensors="pt"
            )
            found = last_states(model.get_decoder(), batch.input_ids, batch.attention_mask)
            for n, state in zip(few, found, strict=True):
                states[n] = state
    return torch.stack(states).to(torch.float32)


# %%
def train_head(chosen, rejected):
    head = nn.Linear(chosen.size(-1), 1)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    optimizer = torch.optim.LBFGS([head.weight], max_iter=60, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = bradley_terry_loss(head(chosen)[:, 0], head(rejected)[:, 0])
        loss = loss + WEIGHT_PENALTY * head.weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return head


def center(head, chosen, rejected):
    mean = (head(chosen).mean() + head(rejected).mean()) / 2
    centred = nn.Linear(head.in_features, 1)
    with torch.no_grad():
        centred.weight.copy_(head.weight)
        centred.bias.copy_(head.bias - mean)
    return centred


# %%
def rerank(model, head, tokenizer, prompt, answers):
    rows = [{"prompt": prompt, "text": text} for text in answers]
    rewards = head(answer_states(model, tokenizer, rows, "text"))[:, 0].detach()
    return [[answers[n], rewards[n]] for n in rewards.argsort(descending=True).tolist()]


# %%
def answer_log_probs(model, tokenizer, rows, answer):
    """Labels of -100 on the prompt, as a Trainer would have them."""
    model.eval()
    found = []
    for row, text in zip(rows, conversations(tokenizer, rows, answer), strict=True):
        turn = [{"role": "user", "content": row["prompt"]}]
        prompt = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
        given = tokenizer(prompt, add_special_tokens=False, return_tensors="pt").input_ids
        said = tokenizer(
            text.removeprefix(prompt), add_special_tokens=False, return_tensors="pt"
        ).input_ids
        ids = torch.cat([given, said], dim=1)
        labels = ids.masked_fill(torch.arange(ids.size(1)) < given.size(1), -100)
        with torch.inference_mode():
            mean = model(input_ids=ids, labels=labels).loss.float()
        found.append(-mean * said.size(1))
    return torch.stack(found)


def implicit_rewards(model, tokenizer, rows, beta):
    names = ("chosen", "rejected")
    policy = torch.stack([answer_log_probs(model, tokenizer, rows, name) for name in names])
    with model.disable_adapter():
        reference = torch.stack([answer_log_probs(model, tokenizer, rows, name) for name in names])
    return (beta * (policy - reference)).unbind()


def compare(first, second):
    xs, ys = ((chosen - rejected).tolist() for chosen, rejected in (first, second))
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    products = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    lengths = math.hypot(*(x - mean_x for x in xs)) * math.hypot(*(y - mean_y for y in ys))
    alike = sum(x * y > 0 for x, y in zip(xs, ys, strict=True))
    return {"agreement": alike / len(xs), "correlation": products / lengths}


# %%
def main():
    model, tokenizer = lab.load_base()
    rows = preference_data.pairs()[0][:PAIRS]
    chosen, rejected = (answer_states(model, tokenizer, rows, n) for n in ("chosen", "rejected"))
    head = center(train_head(chosen, rejected), chosen, rejected)
    save_file({"chosen": chosen, "rejected": rejected}, lab.run_dir() / "states.safetensors")
    save_file(head.state_dict(), lab.run_dir() / "head.safetensors")


if __name__ == "__main__":
    main()
