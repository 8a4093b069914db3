# %% [markdown]
# # Attention, with masks and heads
#
# Vaswani et al. 2017, "Attention Is All You Need" (arXiv 1706.03762), section 3.2:
# softmax(Q K^T / sqrt(d)) V. A mask is boolean here; True means "may look".
#
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Check with `tutor check foundations/attention`.

# %%
import torch
from torch import nn

# %% [markdown]
# ## One head
#
# Scores (…, n, m) from queries (…, n, d) and keys (…, m, d); softmax over the keys; then a mix of
# the values (…, m, e). A query that may look at nothing gets zeros.


# %%
def softmax(scores: torch.Tensor, dim: int = -1) -> torch.Tensor:
    """Return e^x over its sum along dim, also for scores of 10,000."""
    raise NotImplementedError("softmax: e^x over its sum, without overflow")


def attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (output, weights): (…, n, e) and (…, n, m).

    q (…, n, d), k (…, m, d), v (…, m, e); mask: True where a query may look at a key,
    broadcastable to (…, n, m).
    """
    raise NotImplementedError("attention: scores, mask, softmax, mix")


# %% [markdown]
# ## Masks


# %%
def causal_mask(n: int) -> torch.Tensor:
    """Return (n, n): position i may look at 0 to i."""
    raise NotImplementedError("causal_mask: who may look at whom")


def padding_mask(lengths: torch.Tensor, n: int) -> torch.Tensor:
    """Return (batch, 1, 1, n) from lengths (batch,): True where a key is no padding."""
    raise NotImplementedError("padding_mask: which keys are real")


# %% [markdown]
# ## Many heads
#
# Names of the four nn.Linear: q_proj, k_proj, v_proj, out_proj.


# %%
class MultiHeadSelfAttention(nn.Module):
    """Self-attention in `heads` heads of width d_model / heads."""

    def __init__(self, d_model: int, heads: int):
        super().__init__()
        raise NotImplementedError("MultiHeadSelfAttention.__init__: four projections")

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """x: (batch, n, d_model). mask: broadcastable to (batch, heads, n, n)."""
        raise NotImplementedError("MultiHeadSelfAttention.forward: split, attend, join")


# %% [markdown]
# ## What it costs


# %%
def multiplications(n: int, d_model: int) -> int:
    """Return the multiplications of one layer for n tokens, without biases and softmax."""
    raise NotImplementedError("multiplications: projections, scores, mix")


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
