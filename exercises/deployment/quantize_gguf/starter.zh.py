# %% [markdown]
# # 量化成 GGUF
#
# 先手写 GGUF 的两种类型，与 gguf 库写出的逐字节一致；再用 llama.cpp 量化整个模型，
# 把每种类型的代价列成一张表。
#
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor check deployment/quantize_gguf` 批改。

# %%
import ctypes
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from exercises import lab

BLOCK = 32  # 共用一个系数的权重数

# %% [markdown]
# ## Q8_0：32 个有符号字节加一个系数
#
# 一块 34 字节：先是 float16 的系数 d，再是 32 个整数 q。权重 = d × q。


# %%
def quantize_q8_0(x: np.ndarray) -> np.ndarray:
    """返回 x 的 Q8_0 字节：x 为 (行, 列) float32，结果为 (行, 列 / 32 × 34) uint8。

    d = 最大绝对值 / 127；q = x / d 取最近的整数，恰好一半时向远离零的方向取整。
    取整时用 float32 的 d，存储时 d 为 float16。全零的块，字节也全是零。
    """
    raise NotImplementedError("quantize_q8_0：每块一个系数和 32 个有符号字节")


def dequantize_q8_0(data: np.ndarray) -> np.ndarray:
    """返回 quantize_q8_0 的字节所表示的权重，(行, 列) float32。"""
    raise NotImplementedError("dequantize_q8_0：系数乘以整数")


# %% [markdown]
# ## Q4_0：32 个半字节加一个系数
#
# 一块 18 字节：先是 float16 的 d，再是 16 个字节。字节 i 的低四位放权重 i，高四位放
# 权重 i + 16。权重 = d × (q - 8)，q 取 0 到 15：所以有 -8 而没有 +8；绝对值最大的权重
# 不论正负，都对应 -8。


# %%
def quantize_q4_0(x: np.ndarray) -> np.ndarray:
    """返回 x 的 Q4_0 字节：x 为 (行, 列) float32，结果为 (行, 列 / 32 × 18) uint8。

    d = 绝对值最大的数（带符号）/ -8；q = x / d + 8.5 截断成整数，最大 15。
    取整时用 float32 的 d，存储时为 float16。全零的块 d = 0，q = 8。
    """
    raise NotImplementedError("quantize_q4_0：每块一个带符号的系数和 32 个半字节")


def dequantize_q4_0(data: np.ndarray) -> np.ndarray:
    """返回 quantize_q4_0 的字节所表示的权重，(行, 列) float32。"""
    raise NotImplementedError("dequantize_q4_0：每个字节的两半，各减 8")


# %% [markdown]
# ## 整个模型

# %%
FTYPES = {"F16": 1, "Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q4_K_M": 15, "Q6_K": 18}
"""llama.cpp 给各种混合方案的编号。"""


def quantize_file(source: Path, target: Path, ftype: str) -> None:
    """用 llama.cpp 由 source 生成 target。

    llama.cpp 拒绝时抛出 ValueError，已经量化过的 source 就会被拒绝（不打开 allow_requantize：
    取整过一次的，只能从原始权重重新取整）。此时不留下 target。
    """
    raise NotImplementedError("quantize_file：调用 llama.cpp，检查它的状态码")


def bits_per_weight(file: Path) -> float:
    """返回文件中每个权重平均占的位数，按全部张量计算；分词器和元数据不算。"""
    raise NotImplementedError("bits_per_weight：按文件中的张量计算")


def perplexity(file: Path, text: str, chunk: int = 256) -> float:
    """对计入的 token 求 -ln p 的平均，返回它的 exp。

    文本的 token（不加起始 token）切成完整的块，多余的丢弃。每块都从空缓存开始。
    每块从第 chunk / 2 + 1 个 token 起计入（从 0 数起），这样每个计入的 token 前面至少有半块。
    """
    raise NotImplementedError("perplexity：切块，每块只计后一半")


# %% [markdown]
# ## 表格


# %%
@dataclass(frozen=True)
class Row:
    """megabytes：文件大小，单位 10**6 字节。rise：困惑度相对源文件的升幅，用比例表示：
    0.02 即 2 %。"""

    type: str
    megabytes: float
    bits_per_weight: float
    perplexity: float
    rise: float


def table(source: Path, folder: Path, types: list[str], text: str, chunk: int = 256) -> list[Row]:
    """把 source（F16）量化成 folder 中的 <type>.gguf，并测量每个文件。

    第一行是源文件，"F16"；之后每种类型一行，按 `types` 的顺序。
    """
    raise NotImplementedError("table：量化、测量、与第一行比较")


def shown(rows: list[Row]) -> str:
    lines = [f"{'type':8}{'MB':>8}{'bits':>7}{'perplexity':>12}{'rise':>9}"]
    for row in rows:
        lines.append(
            f"{row.type:8}{row.megabytes:8.1f}{row.bits_per_weight:7.2f}"
            f"{row.perplexity:12.2f}{row.rise:9.1%}"
        )
    return "\n".join(lines)


# %% [markdown]
# ## 试一试
#
# 135M，先转成 F16。它原本是 Q4_1 文件，权重至今落在那套格点上：你预计 Q4_1 那一行
# 与 Q4_0 相比会怎样？运行 `tutor model export` 之后，你自己的模型位于
# TUTOR_HOME/models/NAME/model-F16.gguf；把它的路径填到 `full` 的位置。

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
