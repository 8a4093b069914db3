# %% [markdown]
# # Attention, with masks and heads
#
# Vaswani et al. 2017, "Attention Is All You Need" (arXiv 1706.03762), section 3.2:
# softmax(Q K^T / sqrt(d)) V. A mask is boolean here; True means "may look".

# %%
import math

import torch
from torch import nn

# %% [markdown]
# ## One head


# %%
def softmax(scores: torch.Tensor, dim: int = -1) -> torch.Tensor:
    """Return e^x over its sum along dim; a row of minus infinities gives zeros."""
    top = scores.detach().amax(dim, keepdim=True)
    # Without the maximum e^89 is infinite in float32. It cancels out, so any number would do.
    exponentials = torch.exp(scores - top.masked_fill(top == -math.inf, 0))
    total = exponentials.sum(dim, keepdim=True)
    return exponentials / total.masked_fill(total == 0, 1)


def attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (output, weights): (…, n, e) and (…, n, m).

    q (…, n, d), k (…, m, d), v (…, m, e); mask: True where a query may look at a key,
    broadcastable to (…, n, m). A query that may look at nothing gets zeros.
    """
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    weights = softmax(scores)
    return weights @ v, weights


# %% [markdown]
# ## Masks


# %%
def causal_mask(n: int) -> torch.Tensor:
    """Return (n, n): position i may look at 0 to i."""
    position = torch.arange(n)
    return position[:, None] >= position[None, :]


def padding_mask(lengths: torch.Tensor, n: int) -> torch.Tensor:
    """Return (batch, 1, 1, n): every query may look at the keys before its sequence's length."""
    return (torch.arange(n) < lengths[:, None])[:, None, None, :]


# %% [markdown]
# ## Many heads


# %%
class MultiHeadSelfAttention(nn.Module):
    """Self-attention in `heads` heads of width d_model / heads."""

    def __init__(self, d_model: int, heads: int):
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(d_model, d_model)
        self.k_proj = nn.Linear(d_model, d_model)
        self.v_proj = nn.Linear(d_model, d_model)
        self.out_proj = nn.Linear(d_model, d_model)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """x: (batch, n, d_model). mask: broadcastable to (batch, heads, n, n)."""
        q, k, v = (self.split(p(x)) for p in (self.q_proj, self.k_proj, self.v_proj))
        output, _ = attention(q, k, v, mask)  # (batch, heads, n, d_head)
        return self.out_proj(output.transpose(1, 2).flatten(2))

    def split(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, n, d_model) -> (batch, heads, n, d_head)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


# %% [markdown]
# ## What it costs


# %%
def multiplications(n: int, d_model: int) -> int:
    """Return the multiplications of one layer for n tokens, without biases and softmax."""
    projections = 4 * n * d_model**2  # q, k, v and out: grows with n
    scores_and_mix = 2 * n**2 * d_model  # q k^T and weights v: grows with n squared
    return projections + scores_and_mix


# %% [markdown]
# ## Try it

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
