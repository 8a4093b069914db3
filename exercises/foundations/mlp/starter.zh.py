# %% [markdown]
# # 手写训练循环
#
# 在 scikit-learn 的手写数字上训练一个单隐藏层的网络：1,797 张 8 x 8 像素的图片，十个类别。
# 以后由 `Trainer` 代劳的一切，这里都由你来写。
#
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor check foundations/mlp` 批改。

# %%
from collections.abc import Iterable, Iterator

import torch
from torch import nn

# %% [markdown]
# ## 数据
#
# `x` 为 (n, inputs)，float32；`y` 为 (n,)，int64。


# %%
def standardize(train_x: torch.Tensor, other_x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """返回平移并缩放后的两部分，使 train_x 每一列的均值为 0、标准差为 1。
    在 train_x 中恒定的列只平移，不缩放。
    """
    raise NotImplementedError("standardize：用哪一部分的均值和标准差？")


def batches(
    x: torch.Tensor, y: torch.Tensor, batch_size: int, generator: torch.Generator
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """逐个产出 (x, y) 小批量：每个样本恰好一次，按 generator 新抽取的随机顺序。
    最后一批可以不满。"""
    raise NotImplementedError("batches：x 和 y 用同一个随机顺序")


# %% [markdown]
# ## 模型


# %%
def build_model(inputs: int = 64, hidden: int = 64, classes: int = 10) -> nn.Module:
    """返回两个线性层，中间一个非线性：(n, inputs) -> (n, classes) 的 logits。"""
    raise NotImplementedError("build_model：两个线性层和一个非线性")


# %% [markdown]
# ## 训练循环


# %%
def train_epoch(
    model: nn.Module,
    data: Iterable[tuple[torch.Tensor, torch.Tensor]],
    optimizer: torch.optim.Optimizer,
) -> float:
    """在 train 模式下，对 data 的每个批次让优化器走一步。

    返回这一轮按样本（而不是按批次）平均的交叉熵，单位为 nat（用自然对数）。
    """
    raise NotImplementedError("train_epoch：前向、算损失、清梯度、反向、更新")


def evaluate(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    """在 eval 模式下、不算梯度，返回 0 到 1 之间的准确率。

    模型进来时是什么模式，出去时还是什么模式。
    """
    raise NotImplementedError("evaluate：eval 模式，不算梯度，预测正确的比例")


def fit(
    model: nn.Module,
    train: tuple[torch.Tensor, torch.Tensor],
    held_out: tuple[torch.Tensor, torch.Tensor],
    epochs: int = 20,
    batch_size: int = 32,
    seed: int = 0,
) -> list[dict[str, float]]:
    """就地训练模型；返回每一轮的 {"loss": …, "accuracy": …}：这一轮的训练损失，
    以及这一轮之后在 held_out 上的准确率。"""
    raise NotImplementedError("fit：优化器、generator，以及各轮训练")


# %% [markdown]
# ## 试一试

# %%
if __name__ == "__main__":
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    torch.manual_seed(0)
    parts = train_test_split(*load_digits(return_X_y=True), random_state=0)
    train_x, test_x, train_y, test_y = map(torch.tensor, parts)
    train_x, test_x = standardize(train_x.float(), test_x.float())
    for epoch, figures in enumerate(fit(build_model(), (train_x, train_y), (test_x, test_y))):
        print(f"{epoch:2}  loss {figures['loss']:.4f}  held-out accuracy {figures['accuracy']:.3f}")
