# %% [markdown]
# # 手写卷积与一个小 CNN
#
# 先是卷积的算术（尺寸、参数量、求和本身），再是一个由卷积组成的网络，
# 用在 scikit-learn 的手写数字上，图片为 8 x 8 像素。
#
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor check foundations/cnn` 批改。

# %%
import torch
from torch import nn

# %% [markdown]
# ## 算术


# %%
def conv_output_size(size: int, kernel: int, padding: int = 0, stride: int = 1) -> int:
    """返回核沿 `size` 像素长的一边能放几个位置，两端各补 `padding` 个零。"""
    raise NotImplementedError("conv_output_size：数一数核能放在几个位置")


def conv_parameters(in_channels: int, out_channels: int, kernel: int, bias: bool = True) -> int:
    """返回核为正方形的卷积的参数量。"""
    raise NotImplementedError("conv_parameters：一个核有多大，一共有几个")


# %% [markdown]
# ## 卷积
#
# 不用 `torch.nn.functional.conv2d` 及其同类。深度学习里的卷积不翻转核：它其实是互相关。


# %%
def conv2d(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    padding: int = 0,
    stride: int = 1,
) -> torch.Tensor:
    """用基本的张量运算，返回 x 与每个核的互相关。

    x：(n, in, 高, 宽)。weight：(out, in, 核高, 核宽)。bias：(out,)。
    返回 (n, out, 高', 宽')。梯度能流过它。
    """
    raise NotImplementedError("conv2d：先填充，再对核的各个位置和通道求和")


# %% [markdown]
# ## 网络
#
# 这里欢迎用 `nn.Conv2d`。


# %%
def build_cnn() -> nn.Module:
    """返回参数不超过 12,000 的 CNN：(n, 1, 8, 8) 的像素 -> (n, 10) 的 logits。"""
    raise NotImplementedError("build_cnn：卷积、非线性、池化，一个线性层")


def fit(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, seed: int = 0) -> None:
    """就地训练任意图片分类器，批次按 seed 打乱。

    images：(n, 1, 8, 8)，像素值 0 到 1。labels：(n,)，int64。
    """
    raise NotImplementedError("fit：foundations/mlp 的循环")


# %% [markdown]
# ## 试一试

# %%
if __name__ == "__main__":
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    torch.manual_seed(0)
    x, y = load_digits(return_X_y=True)
    x = torch.tensor(x).float().reshape(-1, 1, 8, 8) / 16
    train_x, test_x, train_y, test_y = train_test_split(x, torch.tensor(y), random_state=0)
    mlp = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    for name, model in (("MLP", mlp), ("CNN", build_cnn())):
        fit(model, train_x, train_y)
        model.eval()
        for shift in (0, 1):
            # 右移一个像素，左边补进一列零。
            moved = nn.functional.pad(test_x, (shift, 0))[..., :8]
            accuracy = (model(moved).argmax(1) == test_y).float().mean()
            print(f"{name}, moved by {shift}: {accuracy:.3f}")
