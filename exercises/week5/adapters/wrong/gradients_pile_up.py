# caught by: steps
# fast
# zero_grad is forgotten: each step takes all gradients before it as well.
# %% [markdown]
# # Three ways to fine-tune, compared
#
# All weights, LoRA, and bottleneck adapters (Houlsby et al. 2019, arXiv 1902.00751) on the same
# pairs in the same order: what each trains, what it keeps in memory, and what it learns.

# %%
import json

import torch
from peft import LoraConfig, get_peft_model
from PIL import Image, ImageDraw
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


# %%
class Bottleneck(nn.Module):
    """x + up(gelu(down(x))): features -> width -> features, both with a bias. up starts at zero,
    so that the module starts as the identity."""

    def __init__(self, features: int, width: int):
        super().__init__()
        self.down = nn.Linear(features, width)
        self.up = nn.Linear(width, features)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.up(nn.functional.gelu(self.down(x)))


def insert_bottlenecks(model: nn.Module, width: int) -> nn.Module:
    """Freeze a Llama, and put two Bottlenecks into each of its layers: behind the attention's
    output projection and behind the MLP, each before the residual is added. Return the model."""
    model.requires_grad_(False)
    features = model.config.hidden_size
    for layer in model.model.layers:
        attention = layer.self_attn
        attention.o_proj = nn.Sequential(attention.o_proj, Bottleneck(features, width))
        layer.mlp = nn.Sequential(layer.mlp, Bottleneck(features, width))
    return model


# %% [markdown]
# ## 2. Three models


# %%
LEARNING_RATES = {"full": 1e-4, "lora": 2e-3, "bottleneck": 2e-3}


def build(method: str, base: nn.Module) -> nn.Module:
    """Return the base made ready to train by one of METHODS, the same on every call."""
    torch.manual_seed(SEED)  # A and down are random: the grader makes them again to compare
    if method == "full":
        return base.requires_grad_(True)
    if method == "lora":
        config = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
        return get_peft_model(base, config)
    return insert_bottlenecks(base, WIDTH)


# %% [markdown]
# ## 3. Training, and what it keeps in memory


# %%
def train(model: nn.Module, batches: list, learning_rate: float) -> torch.optim.Optimizer:
    """Take one step of AdamW for each batch, on the trainable parameters. Return the optimizer.

    The last step's gradients stay on the parameters, to be measured.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=0.0)
    model.train()
    for step, batch in enumerate(batches, 1):
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        lab.report(step, len(batches), loss.item())
    return optimizer


def costs(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, float]:
    """Return what is there after a step: trainable (parameters), gradients_mb and optimizer_mb
    (the optimizer's state), in MB of 10^6 bytes."""
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    states = [t for state in optimizer.state.values() for t in state.values()]
    return {
        "trainable": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "gradients_mb": sum(t.nbytes for t in gradients) / 1e6,
        "optimizer_mb": sum(t.nbytes for t in states if torch.is_tensor(t)) / 1e6,
    }


# %% [markdown]
# ## 4. The chart


# %%
def plot(rows: list[dict], metric: str, path) -> None:
    """Draw one vertical bar of colour BAR for each row, in order, as PNG.

    The bars stand apart, begin at 0, and their heights are proportional to row[metric].
    """
    bar, gap, height, margin = 90, 60, 300, 40
    image = Image.new("RGB", (gap + len(rows) * (bar + gap), height + 2 * margin), "white")
    draw = ImageDraw.Draw(image)
    draw.text((gap, 8), metric, fill="black")
    base, highest = margin + height, max(row[metric] for row in rows)
    for place, row in enumerate(rows):
        left = gap + place * (bar + gap)
        top = base - round(height * row[metric] / highest)
        if top < base:
            draw.rectangle((left, top, left + bar - 1, base - 1), fill=BAR)
        draw.text((left, top - 14), f"{row[metric]:.4g}", fill="black")
        draw.text((left, base + 8), row["method"], fill="black")
    image.save(path)


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


# A function is wrong: there is nothing that a run could add.
