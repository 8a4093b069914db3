# %% [markdown]
# # 注意力：掩码与多头
#
# Vaswani 等，2017，“Attention Is All You Need”（arXiv 1706.03762），3.2 节：
# softmax(Q K^T / sqrt(d)) V。这里的掩码是布尔值，True 表示“可以看”。
#
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor check foundations/attention` 批改。

# %%
import torch
from torch import nn

# %% [markdown]
# ## 单头
#
# 由 query (…, n, d) 和 key (…, m, d) 得到得分 (…, n, m)；对各个 key 做 softmax；
# 再对 value (…, m, e) 加权。什么都不能看的 query 得到零。


# %%
def softmax(scores: torch.Tensor, dim: int = -1) -> torch.Tensor:
    """返回 e^x 除以它沿 dim 的和，得分为 10,000 时也要算对。"""
    raise NotImplementedError("softmax：e^x 除以它的和，不溢出")


def attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """返回 (output, weights)：(…, n, e) 和 (…, n, m)。

    q (…, n, d)，k (…, m, d)，v (…, m, e)；mask：query 可以看某个 key 处为 True，
    可广播到 (…, n, m)。
    """
    raise NotImplementedError("attention：得分、掩码、softmax、加权")


# %% [markdown]
# ## 掩码


# %%
def causal_mask(n: int) -> torch.Tensor:
    """返回 (n, n)：位置 i 可以看 0 到 i。"""
    raise NotImplementedError("causal_mask：谁可以看谁")


def padding_mask(lengths: torch.Tensor, n: int) -> torch.Tensor:
    """由 lengths (batch,) 返回 (batch, 1, 1, n)：key 不是填充处为 True。"""
    raise NotImplementedError("padding_mask：哪些 key 是真的")


# %% [markdown]
# ## 多头
#
# 四个 nn.Linear 的名字：q_proj、k_proj、v_proj、out_proj。


# %%
class MultiHeadSelfAttention(nn.Module):
    """分成 `heads` 个头的自注意力，每个头宽 d_model / heads。"""

    def __init__(self, d_model: int, heads: int):
        super().__init__()
        raise NotImplementedError("MultiHeadSelfAttention.__init__：四个投影")

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """x：(batch, n, d_model)。mask：可广播到 (batch, heads, n, n)。"""
        raise NotImplementedError("MultiHeadSelfAttention.forward：拆分、算注意力、合并")


# %% [markdown]
# ## 代价


# %%
def multiplications(n: int, d_model: int) -> int:
    """返回一层处理 n 个 token 的乘法次数，偏置和 softmax 不计。"""
    raise NotImplementedError("multiplications：投影、得分、加权")


# %% [markdown]
# ## 试一试

# %%
if __name__ == "__main__":
    q = torch.tensor([[1.0, 0, 1, 0], [0, 2, 0, 2], [1, 1, 1, 1]])
    k = torch.tensor([[2.0, 0, 0, 0], [0, 1, 0, 1], [2, 0, 2, 0]])
    v = torch.tensor([[1.0, 0], [0, 1], [4, 2]])
    for name, mask in (("every token", None), ("causal", causal_mask(3))):
        output, weights = attention(q, k, v, mask)
        print(name, weights, output, sep="\n")
    for n in (512, 2048, 8192):
        print(f"{n} tokens: {multiplications(n, 576) / 1e9:.2f} billion multiplications")
