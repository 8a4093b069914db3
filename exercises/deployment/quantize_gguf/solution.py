# %% [markdown]
# # Quantizing to GGUF
#
# Two of GGUF's types by hand, byte for byte as the gguf library writes them; then a whole model,
# quantized by llama.cpp, and a table of what each type costs.

# %%
import ctypes
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from exercises import lab

BLOCK = 32  # weights that share a scale

# %% [markdown]
# ## Q8_0: 32 signed bytes and a scale
#
# A block of 34 bytes: the scale d as float16, then 32 integers q. Weight = d x q.


# %%
def quantize_q8_0(x: np.ndarray) -> np.ndarray:
    """Return the bytes of x, (rows, columns) float32, as Q8_0: (rows, columns / 32 x 34) uint8.

    d = largest absolute value / 127; q = x / d rounded to nearest, halves away from zero. The
    rounding uses d as float32; d is stored as float16. A block of zeros is all zero bytes.
    """
    blocks = x.astype(np.float32).reshape(-1, BLOCK)
    d = np.abs(blocks).max(axis=1, keepdims=True) / np.float32(127)
    scaled = blocks * _inverse(d)
    # np.round would take halves to the even neighbour.
    q = np.sign(scaled) * np.floor(np.abs(scaled) + np.float32(0.5))
    packed = [d.astype(np.float16).view(np.uint8), q.astype(np.int8).view(np.uint8)]
    return np.concatenate(packed, axis=1).reshape(len(x), -1)


def dequantize_q8_0(data: np.ndarray) -> np.ndarray:
    """Return the weights, (rows, columns) float32, that the bytes of quantize_q8_0 stand for."""
    blocks = data.reshape(-1, 34)
    d = blocks[:, :2].copy().view(np.float16).astype(np.float32)
    q = blocks[:, 2:].copy().view(np.int8).astype(np.float32)
    return (d * q).reshape(len(data), -1)


def _inverse(d: np.ndarray) -> np.ndarray:
    return np.divide(np.float32(1), d, out=np.zeros_like(d), where=d != 0)


# %% [markdown]
# ## Q4_0: 32 half bytes and a scale
#
# A block of 18 bytes: d as float16, then 16 bytes. Byte i holds weight i in its low half and weight
# i + 16 in its high half. Weight = d x (q - 8), q from 0 to 15: so -8 is there and +8 is not, and
# the weight that is largest in absolute value is given the -8, whatever its sign.


# %%
def quantize_q4_0(x: np.ndarray) -> np.ndarray:
    """Return the bytes of x, (rows, columns) float32, as Q4_0: (rows, columns / 32 x 18) uint8.

    d = the value that is largest in absolute value, with its sign, / -8; q = x / d + 8.5 cut to an
    integer, at most 15. Rounded with d as float32, stored as float16. A block of zeros has d = 0
    and q = 8.
    """
    blocks = x.astype(np.float32).reshape(-1, BLOCK)
    place = np.abs(blocks).argmax(axis=1, keepdims=True)
    d = np.take_along_axis(blocks, place, axis=1) / np.float32(-8)
    q = np.trunc(blocks * _inverse(d) + np.float32(8.5)).clip(0, 15).astype(np.uint8)
    halves = q[:, :16] | (q[:, 16:] << 4)
    packed = np.concatenate([d.astype(np.float16).view(np.uint8), halves], axis=1)
    return packed.reshape(len(x), -1)


def dequantize_q4_0(data: np.ndarray) -> np.ndarray:
    """Return the weights, (rows, columns) float32, that the bytes of quantize_q4_0 stand for."""
    blocks = data.reshape(-1, 18)
    d = blocks[:, :2].copy().view(np.float16).astype(np.float32)
    q = np.concatenate([blocks[:, 2:] & 0x0F, blocks[:, 2:] >> 4], axis=1).astype(np.float32)
    return (d * (q - 8)).reshape(len(data), -1)


# %% [markdown]
# ## A whole model

# %%
FTYPES = {"F16": 1, "Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q4_K_M": 15, "Q6_K": 18}
"""llama.cpp's numbers of the mixtures."""


def quantize_file(source: Path, target: Path, ftype: str) -> None:
    """Write target from source with llama.cpp.

    Raises ValueError where llama.cpp refuses, as it does with a source that is quantized already
    (allow_requantize stays off: what was rounded once is rounded from the original only). No
    target is left then.
    """
    import llama_cpp

    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = FTYPES[ftype]
    status = llama_cpp.llama_model_quantize(
        str(source).encode(), str(target).encode(), ctypes.byref(parameters)
    )
    if status:
        target.unlink(missing_ok=True)  # the beginning of a file that nobody can load
        raise ValueError(f"llama.cpp cannot make {ftype} of {source.name} (status {status})")


def bits_per_weight(file: Path) -> float:
    """Return the mean number of bits that a weight takes in the file, over all of its tensors;
    tokenizer and metadata do not count."""
    from gguf import GGUFReader

    tensors = GGUFReader(file).tensors
    return 8 * sum(int(t.n_bytes) for t in tensors) / sum(int(t.n_elements) for t in tensors)


def perplexity(file: Path, text: str, chunk: int = 256) -> float:
    """Return exp of the mean -ln p of the counted tokens.

    The text's tokens (no begin token is added) are cut into whole chunks, what is left over is
    dropped. Each chunk starts with an empty cache. Counted are a chunk's tokens from chunk / 2 + 1
    on (the first is 0), so that each has at least half a chunk before it.
    """
    import llama_cpp

    llm = llama_cpp.Llama(
        str(file), n_ctx=chunk, n_batch=chunk, logits_all=True, verbose=False, n_gpu_layers=0
    )
    ids = llm.tokenize(text.encode(), add_bos=False)
    total, counted, half = 0.0, 0, chunk // 2
    for start in range(0, len(ids) - chunk + 1, chunk):
        part = ids[start : start + chunk]
        llm.reset()
        llm.eval(part)
        logits = llm.scores[half : chunk - 1].astype(np.float64)  # what stands at i predicts i + 1
        logits -= logits.max(axis=1, keepdims=True)
        log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        targets = part[half + 1 :]
        total -= log_p[np.arange(len(targets)), targets].sum()
        counted += len(targets)
    llm.close()
    return math.exp(total / counted)


# %% [markdown]
# ## The table


# %%
@dataclass(frozen=True)
class Row:
    """megabytes: of the file, 10**6 bytes. rise: of the perplexity over the source's, as a share:
    0.02 is 2 %."""

    type: str
    megabytes: float
    bits_per_weight: float
    perplexity: float
    rise: float


def table(source: Path, folder: Path, types: list[str], text: str, chunk: int = 256) -> list[Row]:
    """Quantize source (F16) into folder as <type>.gguf and measure each file.

    The first row is the source's, "F16"; then one for each type, in the order of `types`.
    """
    rows: list[Row] = []
    for name in ["F16", *types]:
        file = source
        if name != "F16":
            file = folder / f"{name}.gguf"
            quantize_file(source, file, name)
        found = perplexity(file, text, chunk)
        reference = rows[0].perplexity if rows else found
        size = file.stat().st_size / 1e6
        rows.append(Row(name, size, bits_per_weight(file), found, found / reference - 1))
    return rows


def shown(rows: list[Row]) -> str:
    lines = [f"{'type':8}{'MB':>8}{'bits':>7}{'perplexity':>12}{'rise':>9}"]
    for row in rows:
        lines.append(
            f"{row.type:8}{row.megabytes:8.1f}{row.bits_per_weight:7.2f}"
            f"{row.perplexity:12.2f}{row.rise:9.1%}"
        )
    return "\n".join(lines)


# %% [markdown]
# ## Try it
#
# The 135M, made F16 first. It was a Q4_1 file once, and its weights still stand on that file's
# steps: what do you expect of Q4_1's row, beside Q4_0's? Your own model is at TUTOR_HOME/models/NAME/model-F16.gguf
# after `tutor model export`; put its path in the place of `full`.

# %%
if __name__ == "__main__":
    import llama_cpp

    with tempfile.TemporaryDirectory() as name:
        full = Path(name) / "F16.gguf"
        options = llama_cpp.llama_model_quantize_default_params()
        options.ftype, options.allow_requantize = FTYPES["F16"], True
        llama_cpp.llama_model_quantize(
            str(lab.base_file()).encode(), str(full).encode(), ctypes.byref(options)
        )
        print(shown(table(full, Path(name), ["Q8_0", "Q4_1", "Q4_0"], lab.lessons()[:8000])))
