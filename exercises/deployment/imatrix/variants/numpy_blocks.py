# Another style: numpy, least squares block by block in a scan of the inverse scale, forward hooks
# (not pre-hooks) inside an ExitStack.

# %%
from collections import namedtuple
from contextlib import ExitStack

import numpy as np
import torch

Quantized = namedtuple("Quantized", "scales codes")


# %%
def collect(model, batches, names):
    state = {"mask": None}
    squares = {name: [] for name in names}
    with ExitStack() as stack:
        for name, module in model.named_modules():
            if name in names:

                def hook(module, given, output, name=name):
                    chosen = given[0].detach()[state["mask"]]
                    squares[name].append((chosen.double() ** 2).cpu())

                stack.callback(module.register_forward_hook(hook).remove)
        model.train(False)
        with torch.inference_mode():
            for one in batches:
                state["mask"] = one["attention_mask"] == 1
                model(input_ids=one["input_ids"], attention_mask=one["attention_mask"])
    return {name: torch.cat(parts).mean(dim=0).float() for name, parts in squares.items()}


# %%
def dequantize(quantized):
    return quantized.codes.float() * quantized.scales.repeat_interleave(32, dim=1)


def _codes(blocks, scales):
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(scales == 0, 0, blocks / scales)
    return np.clip(np.rint(ratio), -8, 7)


def _made(scales, codes, shape):
    scales = torch.from_numpy(scales.astype(np.float32)).view(shape[0], -1)
    return Quantized(scales, torch.from_numpy(codes.astype(np.int8)).view(shape))


def _plain(weight):
    blocks = weight.detach().double().numpy().reshape(-1, 32)
    largest = blocks[np.arange(len(blocks)), np.abs(blocks).argmax(axis=1)]
    scales = (largest / -8)[:, None]
    return blocks, scales, _codes(blocks, scales)


def plain(weight):
    _, scales, codes = _plain(weight)
    return _made(scales, codes, weight.shape)


def weighted(weight, importance):
    blocks, start, codes = _plain(weight)
    i = np.tile(importance.double().numpy().reshape(-1, 32), (weight.shape[0], 1))
    scales, codes = start.copy(), codes.copy()
    best = (i * (blocks - scales * codes) ** 2).sum(axis=1)
    for levels in np.arange(-12.0, -6.0, 0.125):  # the code that the largest value would get
        other = _codes(blocks, start * -8 / levels)
        power = (i * other**2).sum(axis=1, keepdims=True)
        fitted = np.divide((i * blocks * other).sum(axis=1, keepdims=True), power,
                           out=np.zeros_like(power), where=power > 0)  # fmt: skip
        error = (i * (blocks - fitted * other) ** 2).sum(axis=1)
        better = error < best
        best[better], scales[better], codes[better] = error[better], fitted[better], other[better]
    return _made(scales, codes, weight.shape)


# %%
def output_error(weight, approximation, inputs):
    right = torch.nn.functional.linear(inputs, weight)
    wrong = torch.nn.functional.linear(inputs, approximation)
    return float(((right - wrong) ** 2).sum() / (right**2).sum())
