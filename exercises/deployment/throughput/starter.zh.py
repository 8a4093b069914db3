# %% [markdown]
# # 吞吐量
#
# 一个带 KV 缓存的批量生成循环，以及从中看出的速度和成本。提示与回答是两个阶段，
# 速度不同：把两者混成一个数字，就跟什么都没法比。

# %%
import time
from collections.abc import Callable
from dataclasses import dataclass

from exercises import lab

# %% [markdown]
# ## 一批提示
#
# 长短不一的提示在左侧填充，使最后一列是每条提示的最后一个 token：下一个 token 就接在那里。


# %%
def pad_left(prompts, pad_id):
    """返回 (input_ids, attention_mask, position_ids)，int64，形状都是 (batch, longest)。

    prompts：由 token id 列表组成。attention_mask：填充处为 0。position_ids：从每条提示自己的
    第一个 token 起为 0、1、2……；填充处的值无所谓。
    """
    raise NotImplementedError("pad_left：一个批次的 id、掩码和位置")


# %% [markdown]
# ## 贪心生成
#
# **预填充**（prefill）：对整条提示做一次前向，得到每条的第一个新 token。
# **解码**（decode）：每个 token 一次前向，只算一列，带着此前所有列的缓存。


# %%
@dataclass(frozen=True)
class Run:
    """tokens：每条提示的新 id，按顺序；模型写出了结束符的，结束符是最后一个。
    prefill_s：第一次前向的秒数；decode_s：其余的秒数。
    """

    tokens: list[list[int]]
    prefill_s: float
    decode_s: float


def generate(
    model,
    prompts: list[list[int]],
    max_new_tokens: int,
    eos_id: int,
    pad_id: int = 0,
    clock: Callable[[], float] = time.perf_counter,
) -> Run:
    """在一个批次里贪心续写所有提示，每条最多 max_new_tokens 个 token。

    model：调用方式同 transformers 的因果语言模型，传入 input_ids、attention_mask、
    position_ids、past_key_values 和 use_cache；返回 logits (batch, 列数, 词表大小)
    和 past_key_values。所有提示都有了结束符之后，不再前向。
    clock：单位为秒，只有差值有意义。
    """
    raise NotImplementedError("generate：预填充一次，之后每次一列")


# %% [markdown]
# ## 速度与成本


# %%
@dataclass(frozen=True)
class Speed:
    """prompt_tokens、new_tokens：所有提示合计，不含填充，也不含结束之后的内容。
    速度单位为 token/秒；阶段耗时为零时取 0。
    """

    prompt_tokens: int
    new_tokens: int
    prompt_tokens_per_s: float
    decode_tokens_per_s: float
    """只算解码阶段：每条提示的第一个 token 来自预填充。"""
    new_tokens_per_s: float
    """新 token 数除以两个阶段的总时间：卖的就是它。"""


def speed(prompts: list[list[int]], run: Run) -> Speed:
    raise NotImplementedError("speed：先计数，再相除")


def cost_per_thousand(
    price_per_hour: float, tokens_per_s: float, utilization: float = 1.0
) -> float:
    """返回 1,000 个 token 的价格；机器在付费的每小时里，工作时间占 `utilization`（0 到 1）。"""
    raise NotImplementedError("cost_per_thousand：从一小时换算到一千个 token")


# %% [markdown]
# ## 许多提示


# %%
def plan(lengths: list[int], size: int) -> list[list[int]]:
    """返回若干批次，每批至多 `size` 个 lengths 的下标，批数尽量少。长度相近的放在同一批，
    以减少填充。"""
    raise NotImplementedError("plan：长度相近的放在同一批")


def generate_all(model, prompts, size, max_new_tokens, eos_id, pad_id=0) -> list[list[int]]:
    """按 `plan` 的批次续写任意多条提示；返回每条的新 id，按提示原来的顺序。"""
    raise NotImplementedError("generate_all：逐批生成，结果按提示原来的顺序")


# %% [markdown]
# ## 试一试
#
# 在这台机器上跑 135M。观察批次变大时，两个速度怎样变化。

# %%
if __name__ == "__main__":
    model, tokenizer = lab.load_base("float32")
    model.eval()
    lines = [line for line in lab.lessons().splitlines() if len(line) > 200][:16]
    ids = [tokenizer(line)["input_ids"] for line in lines]
    for size in (1, 4, 16):
        found = speed(ids[:size], generate(model, ids[:size], 24, tokenizer.eos_token_id))
        price = cost_per_thousand(0.10, found.new_tokens_per_s)
        print(
            f"batch {size:>2}: prompt {found.prompt_tokens_per_s:6.1f} tokens/s, "
            f"decode {found.decode_tokens_per_s:6.1f} tokens/s, "
            f"1,000 new tokens at 0.10 an hour: {price:.5f}"
        )
