# %% [markdown]
# # Quantizing to GGUF
#
# Two of GGUF's types by hand, byte for byte as the gguf library writes them; then a whole model,
# quantized by llama.cpp, and a table of what each type costs.
#
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Check with `tutor check deployment/quantize_gguf`.

# %%
import ctypes
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
    raise NotImplementedError("quantize_q8_0: a scale and 32 signed bytes a block")


def dequantize_q8_0(data: np.ndarray) -> np.ndarray:
    """Return the weights, (rows, columns) float32, that the bytes of quantize_q8_0 stand for."""
    raise NotImplementedError("dequantize_q8_0: scale times integer")


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
    raise NotImplementedError("quantize_q4_0: a signed scale and 32 half bytes a block")


def dequantize_q4_0(data: np.ndarray) -> np.ndarray:
    """Return the weights, (rows, columns) float32, that the bytes of quantize_q4_0 stand for."""
    raise NotImplementedError("dequantize_q4_0: both halves of each byte, less 8")


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
    raise NotImplementedError("quantize_file: call llama.cpp, look at its status")


def bits_per_weight(file: Path) -> float:
    """Return the mean number of bits that a weight takes in the file, over all of its tensors;
    tokenizer and metadata do not count."""
    raise NotImplementedError("bits_per_weight: over the tensors of the file")


def perplexity(file: Path, text: str, chunk: int = 256) -> float:
    """Return exp of the mean -ln p of the counted tokens.

    The text's tokens (no begin token is added) are cut into whole chunks, what is left over is
    dropped. Each chunk starts with an empty cache. Counted are a chunk's tokens from chunk / 2 + 1
    on (the first is 0), so that each has at least half a chunk before it.
    """
    raise NotImplementedError("perplexity: chunks, the second half of each counted")


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
    raise NotImplementedError("table: quantize, measure, compare with the first row")


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
