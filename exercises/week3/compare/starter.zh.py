# %% [markdown]
# # 比较解码策略
#
# 一个模型，六种解码策略：用每一种续写提示，测量得到的文本，把数字汇总成一张表和一幅图。
# ids 都是 int 列表。
#
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor check week3/compare` 批改。

# %%
import csv  # noqa: F401
import math  # noqa: F401

import torch
from PIL import Image, ImageDraw  # noqa: F401

from exercises import lab

BAR = "#1f77b4"
COLUMNS = ["strategy", "distinct_1", "distinct_2", "repetition_4", "perplexity"]
PROMPTS = ["The best way to learn is", "Once upon a time, a lighthouse", "- Who are you?\n-"]

# %% [markdown]
# ## 1. 指标
#
# n-gram 互相重叠：a b c d 有三个 2-gram。


# %%
def distinct_n(ids, n):
    """返回不同的 n-gram 占全部 n-gram 的比例；没有 n-gram 时为 0.0。"""
    raise NotImplementedError("distinct_n：不同的 n-gram 数除以 n-gram 总数")


def repetition_rate(prompt_ids, new_ids, n):
    """返回续写的 n-gram 中，之前已在“提示 + 续写”里出现过的比例。

    只统计完全落在 new_ids 里的 n-gram；一个也没有时为 0.0。
    """
    raise NotImplementedError("repetition_rate：之前出现过的 n-gram 数，除以续写的 n-gram 总数")


@torch.no_grad()
def token_losses(model, prompt_ids, new_ids):
    """返回 new_ids 各 token 的 -ln p，单位 nat，条件是它前面的全部内容：(len(new_ids),)。

    提示只作上下文，不计分。
    """
    raise NotImplementedError("token_losses：每个新 token 的损失")


# %% [markdown]
# ## 2. 策略
#
# 交给 model.generate 的设置。凡是有影响的都要写明：你没有写 top_k 时，generate() 会怎么做？

# %%
STRATEGIES = {
    "greedy": {"do_sample": False, "num_beams": 1},
    # "beam_4", "top_k_50", "top_p_0.9", "temperature_0.7", "temperature_1.5"
}


def continuation(model, prompt_ids, settings, max_new_tokens, seed):
    """只返回新的 id；种子相同，每次调用的结果就相同。"""
    raise NotImplementedError("continuation：设种子、generate、去掉提示")


# %% [markdown]
# ## 3. 比较


# %%
def compare(model, prompts, strategies, max_new_tokens, seeds):
    """每种策略返回一行（键为 COLUMNS 的 dict），次序不变。

    prompts：一个个 id 列表。每种策略用每个种子把每个提示各续写一次。distinct_n 和重复比例
    对所有续写取平均；困惑度则把所有续写的全部 token 合在一起算。
    """
    raise NotImplementedError("compare：每种策略一行，键为 COLUMNS")


# %% [markdown]
# ## 4. 一张表和一幅图
#
# 已安装 Pillow；也可以用 matplotlib（`pip install matplotlib`）的 ax.bar，效果相同。


# %%
def write_table(rows, path):
    """把各行写成带表头的 CSV，数字至少保留四位有效数字。"""
    raise NotImplementedError("write_table：用 csv.DictWriter")


def plot(rows, metric, path):
    """画一幅 PNG 图，按次序每行一根颜色为 BAR 的竖直柱子。

    柱子互不相连，从 0 开始，高度与 row[metric] 成正比。
    """
    raise NotImplementedError("plot：一幅图，每行一根柱子")


# %% [markdown]
# ## 试一试：需要几分钟

# %%
if __name__ == "__main__":
    model, tokenizer = lab.load_base("float32")
    prompts = [tokenizer(text)["input_ids"] for text in PROMPTS]
    rows = compare(model, prompts, STRATEGIES, max_new_tokens=30, seeds=[1, 2])
    for row in rows:
        print({name: x if isinstance(x, str) else round(x, 3) for name, x in row.items()})
    write_table(rows, lab.run_dir() / "strategies.csv")
    for metric in COLUMNS[1:]:
        plot(rows, metric, lab.run_dir() / f"{metric}.png")
    print(f"table and charts: {lab.run_dir()}")
