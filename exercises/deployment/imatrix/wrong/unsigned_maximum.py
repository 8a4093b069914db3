# caught by: plain
# The scale loses the sign: +9 is cut down to code 7.
# %% [markdown]
# # An importance matrix by hand
#
# A weight matters as much as what it is multiplied with. llama.cpp's importance matrix is the mean
# square of each input channel over some text; here you collect it with hooks, and choose each
# block's scale so that the error that counts gets smaller.

# %%
from dataclasses import dataclass

import torch

from exercises import lab

BLOCK = 32

# %% [markdown]
# ## The statistics


# %%
@torch.no_grad()
def collect(model, batches, names):
    """Return {name: (in,) float32}: the mean square of each input channel of the nn.Linear layers
    called `names` (paths of named_modules), over all tokens of the batches.

    batches: {"input_ids", "attention_mask"}, each (batch, length); where the mask is 0 stands
    padding, which does not count. The hooks are gone afterwards, also where the model raised.
    """
    sums = dict.fromkeys(names, 0.0)
    tokens, mask = 0, None

    def listen(name):
        def hook(module, given):
            real = given[0][mask]  # (tokens, in)
            sums[name] = sums[name] + real.float().pow(2).sum(dim=0)

        return model.get_submodule(name).register_forward_pre_hook(hook)

    model.eval()
    handles = [listen(name) for name in names]
    try:
        for batch in batches:
            mask = batch["attention_mask"].bool()
            tokens += int(mask.sum())
            model(**batch)
    finally:
        for handle in handles:
            handle.remove()
    return {name: total / tokens for name, total in sums.items()}


# %% [markdown]
# ## Rounding, plain and weighted
#
# Codes from -8 to 7, blocks of 32 along a row, a scale a block: weight = scale x code.


# %%
@dataclass(frozen=True)
class Quantized:
    """scales: (rows, columns / 32) float32. codes: (rows, columns) int8, -8 to 7."""

    scales: torch.Tensor
    codes: torch.Tensor


def dequantize(quantized):
    """Return the weights, (rows, columns) float32."""
    blocks = quantized.codes.float().unflatten(1, (-1, BLOCK))
    return (blocks * quantized.scales[..., None]).flatten(1)


def plain(weight):
    """Round to nearest: scale = the value of the block that is largest in absolute value, with its
    sign, / -8. A block of zeros has codes of 0."""
    blocks = weight.float().unflatten(1, (-1, BLOCK))  # (rows, blocks, 32)
    place = blocks.abs().argmax(dim=-1, keepdim=True)
    scales = blocks.gather(-1, place).abs() / 8
    return Quantized(scales[..., 0], codes_for(blocks, scales).flatten(1))


def codes_for(blocks, scales):
    """Return the nearest codes, int8. scales: (rows, blocks, 1)."""
    safe = torch.where(scales == 0, 1.0, scales)
    return (blocks / safe).round().clamp(-8, 7).to(torch.int8)


def weighted(weight, importance):
    """Choose each block's scale so that sum(importance x (weight - scale x code)^2) is small: never
    larger than with `plain`.

    importance: (columns,), not negative; the mean squares of `collect`. Tried are the plain scale
    times 0.7 to 1.2, and for the codes that each gives the scale that fits them best,
    sum(i w c) / sum(i c^2).
    """
    blocks = weight.float().unflatten(1, (-1, BLOCK))
    importance = importance.float().view(-1, BLOCK)  # one for every row
    start = plain(weight)
    best_scales, best_codes = start.scales[..., None], start.codes.unflatten(1, (-1, BLOCK))
    best = error(blocks, best_scales, best_codes, importance)
    for factor in torch.linspace(0.7, 1.2, 26).tolist():
        codes = codes_for(blocks, start.scales[..., None] * factor)
        c = codes.float()
        power = (importance * c * c).sum(-1, keepdim=True)
        fitted = (importance * blocks * c).sum(-1, keepdim=True) / power.clamp(min=1e-30)
        found = error(blocks, fitted, codes, importance)
        better = found < best
        best = torch.where(better, found, best)
        best_scales = torch.where(better, fitted, best_scales)
        best_codes = torch.where(better, codes, best_codes)
    return Quantized(best_scales[..., 0], best_codes.flatten(1))


def error(blocks, scales, codes, importance):
    """Return the weighted squared error of each block, (rows, blocks, 1)."""
    return (importance * (blocks - scales * codes.float()) ** 2).sum(-1, keepdim=True)


# %% [markdown]
# ## What it is worth


# %%
def output_error(weight, approximation, inputs):
    """Return how far the layer's outputs move: the sum of squares of x (W - W')^T over that of
    x W^T. inputs: (tokens, columns)."""
    moved = inputs.float() @ (weight - approximation).float().T
    return (moved.pow(2).sum() / (inputs.float() @ weight.float().T).pow(2).sum()).item()


# %% [markdown]
# ## Try it
#
# Two layers of the 135M: how unequal are their channels, and what is it worth to know that?


# %%
@torch.no_grad()
def inputs_of(model, batch, name):
    kept = []
    layer = model.get_submodule(name)
    handle = layer.register_forward_pre_hook(lambda _, given: kept.append(given[0]))
    model(**batch)
    handle.remove()
    return kept[0][batch["attention_mask"].bool()]


if __name__ == "__main__":
    model, tokenizer = lab.load_base("float32")
    lines = [line[:300] for line in lab.lessons().splitlines() if len(line) > 300]
    seen = [tokenizer(lines[n : n + 4], return_tensors="pt", padding=True) for n in (0, 4)]
    unseen = tokenizer(lines[40:42], return_tensors="pt", padding=True)
    names = ["model.layers.5.mlp.down_proj", "model.layers.20.self_attn.o_proj"]
    for name, importance in collect(model, seen, names).items():
        weight = model.get_submodule(name).weight.detach()
        x = inputs_of(model, unseen, name)
        choices = {
            "plain": plain(weight),
            "searched, all channels alike": weighted(weight, torch.ones_like(importance)),
            "searched by importance": weighted(weight, importance),
        }
        print(f"{name}: largest / median channel {importance.max() / importance.median():.0f}")
        for what, quantized in choices.items():
            print(f"  {what:30}{output_error(weight, dequantize(quantized), x):.5f}")
