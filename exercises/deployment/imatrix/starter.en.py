# %% [markdown]
# # An importance matrix by hand
#
# A weight matters as much as what it is multiplied with. llama.cpp's importance matrix is the mean
# square of each input channel over some text; here you collect it with hooks, and choose each
# block's scale so that the error that counts gets smaller.
#
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Check with `tutor check deployment/imatrix`.

# %%
from dataclasses import dataclass

import torch

from exercises import lab

BLOCK = 32

# %% [markdown]
# ## The statistics


# %%
def collect(model, batches, names):
    """Return {name: (in,) float32}: the mean square of each input channel of the nn.Linear layers
    called `names` (paths of named_modules), over all tokens of the batches.

    batches: {"input_ids", "attention_mask"}, each (batch, length); where the mask is 0 stands
    padding, which does not count. The hooks are gone afterwards, also where the model raised.
    """
    raise NotImplementedError("collect: hooks, sums, a mean over tokens")


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
    raise NotImplementedError("dequantize: scale times code")


def plain(weight):
    """Round to nearest: scale = the value of the block that is largest in absolute value, with its
    sign, / -8. A block of zeros has codes of 0."""
    raise NotImplementedError("plain: signed maximum, nearest codes")


def weighted(weight, importance):
    """Choose each block's scale so that sum(importance x (weight - scale x code)^2) is small: never
    larger than with `plain`.

    importance: (columns,), not negative; the mean squares of `collect`. Tried are the plain scale
    times 0.7 to 1.2, and for the codes that each gives the scale that fits them best,
    sum(i w c) / sum(i c^2): i the importance, w the weight, c the code.
    """
    raise NotImplementedError("weighted: try scales, refit, keep what is better")


# %% [markdown]
# ## What it is worth


# %%
def output_error(weight, approximation, inputs):
    """Return how far the layer's outputs move: the sum of squares of x (W - W')^T over that of
    x W^T. inputs: (tokens, columns)."""
    raise NotImplementedError(
        "output_error: squares of the moved outputs over those of the outputs"
    )


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
