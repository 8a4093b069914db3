# %% [markdown]
# # Three ways to fine-tune, compared
#
# All weights, LoRA, and bottleneck adapters (Houlsby et al. 2019, arXiv 1902.00751) on the same
# pairs in the same order: what each trains, what it keeps in memory, and what it learns.
#
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Run with `tutor run week5/adapters`, grade with `tutor check week5/adapters`.

# %%
import json

import torch
from peft import LoraConfig, get_peft_model  # noqa: F401
from PIL import Image, ImageDraw  # noqa: F401
from safetensors.torch import save_file
from torch import nn
from transformers import DataCollatorForSeq2Seq

from exercises import lab

SEED = 0
METHODS = ("full", "lora", "bottleneck")
STEPS, BATCH = 10, 2
WIDTH = 32  # of the bottleneck: about as many parameters as LoRA of rank 8
IGNORED = -100
BAR = "#1f77b4"

# %% [markdown]
# ## 1. The bottleneck
#
# A layer of a Llama adds to its stream twice: attention's output, and the MLP's. An adapter
# stands behind each, and works on what is about to be added.


# %%
class Bottleneck(nn.Module):
    """x + up(gelu(down(x))): features -> width -> features, both with a bias. up starts at zero,
    so that the module starts as the identity."""

    def __init__(self, features: int, width: int):
        super().__init__()
        raise NotImplementedError("Bottleneck: down, up, and zeros in the right place")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError("Bottleneck.forward: the detour and the residual")


def insert_bottlenecks(model: nn.Module, width: int) -> nn.Module:
    """Freeze a Llama, and put two Bottlenecks into each of its layers: behind the attention's
    output projection and behind the MLP, each before the residual is added. Return the model."""
    raise NotImplementedError("insert_bottlenecks: freeze, then two a layer")


# %% [markdown]
# ## 2. Three models
#
# The fewer parameters a method has, and the nearer to zero they start, the larger its steps.


# %%
LEARNING_RATES = {}  # a number for each of METHODS


def build(method: str, base: nn.Module) -> nn.Module:
    """Return the base made ready to train by one of METHODS, the same on every call."""
    raise NotImplementedError("build: the seed, and a model for each method")


# %% [markdown]
# ## 3. Training, and what it keeps in memory
#
# Measured from the tensors that are there after a step, not computed from a formula.


# %%
def train(model: nn.Module, batches: list, learning_rate: float) -> torch.optim.Optimizer:
    """Take one step of AdamW for each batch, on the trainable parameters. Return the optimizer.

    Call lab.report(step, steps, loss) after each. The last step's gradients stay on the
    parameters, to be measured.
    """
    raise NotImplementedError("train: AdamW on what is trainable, a step for each batch")


def costs(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, float]:
    """Return what is there after a step: trainable (parameters), gradients_mb and optimizer_mb
    (the optimizer's state), in MB of 10^6 bytes."""
    raise NotImplementedError("costs: count parameters, add up bytes")


# %% [markdown]
# ## 4. The chart


# %%
def plot(rows: list[dict], metric: str, path) -> None:
    """Draw one vertical bar of colour BAR for each row, in order, as PNG.

    The bars stand apart, begin at 0, and their heights are proportional to row[metric].
    """
    raise NotImplementedError("plot: an image with a bar for each row")


# %% [markdown]
# ## 5. The same data for all
#
# Given: nothing to do here.


# %%
def build_example(tokenizer, pair):
    user = {"role": "user", "content": pair["prompt"]}
    prompt = tokenizer.apply_chat_template([user], tokenize=False, add_generation_prompt=True)
    response = pair["response"] + tokenizer.eos_token
    prompt_ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    response_ids = tokenizer(response, add_special_tokens=False)["input_ids"]
    return {
        "input_ids": prompt_ids + response_ids,
        "labels": [IGNORED] * len(prompt_ids) + response_ids,
    }


def make_batches(tokenizer, pairs):
    collate = DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=IGNORED)
    examples = [build_example(tokenizer, pair) for pair in pairs]
    return [collate(examples[i : i + BATCH]) for i in range(0, len(examples), BATCH)]


@torch.no_grad()
def held_out_loss(model, batches):
    """Mean loss in nats over all response tokens together."""
    model.eval()
    total, tokens = 0.0, 0
    for batch in batches:
        count = int((batch["labels"][:, 1:] != IGNORED).sum())
        total += model(**batch).loss.item() * count
        tokens += count
    return total / tokens


def save_trained(model, path):
    """The trained parameters alone, in 16 bits."""
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    save_file({n: p.detach().bfloat16().contiguous() for n, p in trained.items()}, path)


# %% [markdown]
# ## 6. The comparison


# %%
def main():
    pairs, held_out = lab.instructions()
    short = [pair for pair in pairs if len(pair["response"]) < 120]
    rows, base_loss = [], None
    for method in METHODS:
        base, tokenizer = lab.load_base("float32")
        held_out_batches = make_batches(tokenizer, held_out[::12])
        model = build(method, base)  # computes what the base does, until it is trained
        base_loss = base_loss or held_out_loss(model, held_out_batches)
        batches = make_batches(tokenizer, short[: STEPS * BATCH])
        optimizer = train(model, batches, LEARNING_RATES[method])
        row = {"method": method, **costs(model, optimizer)}
        row["held_out_loss"] = held_out_loss(model, held_out_batches)
        save_trained(model, lab.run_dir() / f"{method}.safetensors")
        rows.append(row)
        print(row)
        del base, model, optimizer  # before the next one is loaded
    metrics = {"base_held_out_loss": base_loss, "rows": rows}
    (lab.run_dir() / "metrics.json").write_text(json.dumps(metrics, indent=2))
    for metric in ("optimizer_mb", "held_out_loss"):
        plot(rows, metric, lab.run_dir() / f"{metric}.png")


if __name__ == "__main__":
    main()
