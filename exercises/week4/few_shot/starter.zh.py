# %% [markdown]
# # 用提示做情感分类
#
# 语言模型不经训练就能分类：把评论放进提示，问它哪个标签作为下文更可能
# （Brown 等，2020，arXiv 2005.14165）。再看示例的次序影响有多大，并用校准尽量消除它
# （Zhao 等，2021，arXiv 2102.09690）。
#
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor check week4/few_shot` 批改。

# %%
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch

LABELS = (" negative", " positive")
"""按编号：0 和 1。词前带空格，它属于这个词的 token。"""
CONTENT_FREE = ("N/A", "[MASK]", "")
"""不带情感的文本，同论文第 5 节。"""

Review = dict  # {"text": str, "label": 0 或 1}

# %% [markdown]
# ## 提示


# %%
def build_prompt(shots: Sequence[Review], text: str) -> str:
    """返回各个示例和待答的问题，两两之间空一行：

    Review: <text>
    Sentiment: <positive 或 negative>

    Review: <text>
    Sentiment:
    """
    raise NotImplementedError("build_prompt：先是示例，再是待答的问题")


# %% [markdown]
# ## 下文的对数概率
#
# 提示 x 之后，标签的各个 token 为 y：`log p(y | x) = Σ_t log p(y_t | x, y_<t)`。
# 模型在位置 i 的输出，是它对位置 i + 1 的预测。


# %%
@torch.no_grad()
def label_logprobs(
    model,
    tokenizer,
    prompts: Sequence[str],
    labels: Sequence[str] = LABELS,
    mean: bool = False,
    batch_size: int = 16,
) -> torch.Tensor:
    """返回 log p(标签 | 提示)，float32，(prompts, labels)。

    mean：除以标签的 token 数，长标签才不会因为长而吃亏。batch_size：一次前向中的序列数
    （一个提示加一个标签为一条）。
    """
    raise NotImplementedError("label_logprobs：分词、成批、标签的位置、求和")


# %% [markdown]
# ## 上下文校准
#
# 拿 “N/A” 去问，公正的分类器应当答“各一半”。它实际的回答就是这个提示的偏差：把它除掉。


# %%
def calibrate(logprobs: torch.Tensor, content_free: torch.Tensor) -> torch.Tensor:
    """返回校准后的概率 (n, labels)，每行之和为一。

    logprobs：(n, labels)。content_free：同一提示中 m 条无内容文本的对数概率，(m, labels)。
    两者都先化为标签上的概率，m 条再取平均（arXiv 2102.09690 第 5 节：q 正比于 p / p_cf）。
    """
    raise NotImplementedError("calibrate：softmax、对无内容文本取平均、相除、归一化")


# %%
def classify(
    model, tokenizer, shots: Sequence[Review], texts: Sequence[str], calibrated: bool = False
) -> list[int]:
    """返回每条文本最可能的标签的编号。"""
    raise NotImplementedError("classify：提示、得分、需要时校准、最好的标签")


# %% [markdown]
# ## 次序的影响


# %%
@dataclass(frozen=True)
class Orders:
    """示例的每种次序各有一个准确率；spread：最好减最差。"""

    accuracies: list[float]
    mean: float
    spread: float


def order_effects(shots: Sequence[Review], evaluate: Callable[[Sequence[Review]], float]) -> Orders:
    """评估示例的全部 n! 种次序，每种一次。"""
    raise NotImplementedError("order_effects：每种次序评估一次")


# %% [markdown]
# ## 试一试
#
# 40 条留出评论：先不给示例，再用三个示例的全部次序，原始和校准后各一遍。

# %%
if __name__ == "__main__":
    from exercises import lab

    model, tokenizer = lab.load_base()
    model.eval()
    train, held_out = lab.reviews()
    texts, gold = [r["text"] for r in held_out[:40]], [r["label"] for r in held_out[:40]]

    def accuracy(shots: Sequence[Review], calibrated: bool) -> float:
        found = classify(model, tokenizer, shots, texts, calibrated)
        return sum(f == g for f, g in zip(found, gold, strict=True)) / len(gold)

    print(f"no shots: {accuracy([], False):.2f}, calibrated {accuracy([], True):.2f}")
    shots = [*[r for r in train if r["label"]][:1], *[r for r in train if not r["label"]][:2]]
    for calibrated in (False, True):
        found = order_effects(shots, partial(accuracy, calibrated=calibrated))
        listed = ", ".join(f"{a:.2f}" for a in sorted(found.accuracies))
        print(
            f"calibrated={calibrated}: mean {found.mean:.2f}, spread {found.spread:.2f}: {listed}"
        )
