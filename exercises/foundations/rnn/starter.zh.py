# %% [markdown]
# # 用循环网络做字符模型
#
# 预测你正在读的课文的下一个字符。循环由你自己写：状态贯穿全文，梯度只穿过一个窗口。
#
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor check foundations/rnn` 批改。

# %%
from collections.abc import Iterable, Iterator

import torch
from torch import nn

# %% [markdown]
# ## 用数表示字符（已给出）


# %%
def encode(text: str, alphabet: str) -> torch.Tensor:
    """返回各字符的 id，形状 (n,)：字符在字母表中的位置；字母表里没有的字符为 len(alphabet)。"""
    place = {character: i for i, character in enumerate(alphabet)}
    return torch.tensor([place.get(character, len(alphabet)) for character in text])


# %% [markdown]
# ## 循环
#
# `h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh)`，
# 即 Elman 1990 年的网络，与 `nn.RNN` 相同。
# 参数命名为 `weight_ih`、`weight_hh`、`bias_ih` 和 `bias_hh`。


# %%
class RNN(nn.Module):
    """weight_ih：(hidden, inputs)。weight_hh：(hidden, hidden)。两个偏置：(hidden,)。"""

    def __init__(self, inputs: int, hidden: int):
        super().__init__()
        raise NotImplementedError("RNN.__init__：两个矩阵和两个偏置")

    def forward(
        self, x: torch.Tensor, h: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """x：(batch, time, inputs)。h：之前的状态，(batch, hidden)；None 表示全零。

        返回所有时刻的状态 (batch, time, hidden) 和最后一个状态 (batch, hidden)。
        """
        raise NotImplementedError("RNN.forward：一个状态接着一个状态")


class CharModel(nn.Module):
    """嵌入、RNN，再用一个线性层回到字母表（已给出）。"""

    def __init__(self, ids: int, hidden: int = 128):
        super().__init__()
        self.embedding = nn.Embedding(ids, 32)
        self.rnn = RNN(32, hidden)
        self.output = nn.Linear(hidden, ids)

    def forward(
        self, ids: torch.Tensor, h: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """返回每个位置下一个字符的 logits (batch, time, ids) 和最后一个状态。"""
        states, h = self.rnn(self.embedding(ids), h)
        return self.output(states), h


# %% [markdown]
# ## 窗口
#
# 把文本切成 `batch_size` 条并排读的流，每次读 `length` 个字符：
# 每个窗口的第 b 行，接着上一个窗口第 b 行停下的地方往下读。


# %%
def windows(
    ids: torch.Tensor, batch_size: int, length: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """按文本的顺序逐个产出输入和目标，均为 (batch_size, length)。目标是输入的下一个字符。
    最后一个窗口可以短一些，也可以舍去。"""
    raise NotImplementedError("windows：切成流，目标比输入靠后一个字符")


# %% [markdown]
# ## 训练与测量


# %%
def train_epoch(
    model: nn.Module,
    data: Iterable[tuple[torch.Tensor, torch.Tensor]],
    optimizer: torch.optim.Optimizer,
    max_norm: float = 1.0,
) -> float:
    """每个窗口走一步；`model(inputs, h)` 返回 (logits, h)。

    状态从 None 开始，在窗口之间传递，计算图不传。所有梯度的总范数裁剪到 max_norm。
    返回各窗口的平均交叉熵。
    """
    raise NotImplementedError("train_epoch：传递状态，断开计算图，裁剪梯度")


def cross_entropy(model: nn.Module, ids: torch.Tensor) -> float:
    """返回 ids[1:] 的平均交叉熵，单位为 nat/字符，每个字符都由它之前的全部字符来预测。"""
    raise NotImplementedError("cross_entropy：由前面的字符预测每个字符")


def fit(ids: torch.Tensor, alphabet_size: int, seed: int = 0) -> nn.Module:
    """返回在这段文本上以 seed 为种子训练好的 CharModel，共 alphabet_size 个 id。"""
    raise NotImplementedError("fit：模型、优化器，在窗口上训练若干轮")


# %% [markdown]
# ## 生成文本


# %%
def sample(
    model: nn.Module, prompt: torch.Tensor, length: int, temperature: float = 1.0, seed: int = 0
) -> list[int]:
    """返回提示 (n,) 之后 `length` 个字符的 id，每个都在已知前面全部内容的条件下，
    按 softmax(logits / temperature) 抽取。种子相同，文本就相同。"""
    raise NotImplementedError("sample：读完提示，再逐个抽取并送回")


# %% [markdown]
# ## 试一试

# %%
if __name__ == "__main__":
    from exercises import lab

    text = lab.lessons("en")
    cut = len(text) * 9 // 10
    alphabet = "".join(sorted(set(text[:cut])))
    char_model = fit(encode(text[:cut], alphabet), len(alphabet) + 1)
    nats = cross_entropy(char_model, encode(text[cut:], alphabet))
    print(f"{len(alphabet)} characters; held out {nats:.3f} nats a character")
    for warmth in (0.3, 0.7, 1.2):
        ids = sample(char_model, encode("The model", alphabet), 200, warmth)
        print(f"\ntemperature {warmth}: The model" + "".join((alphabet + "?")[i] for i in ids))
