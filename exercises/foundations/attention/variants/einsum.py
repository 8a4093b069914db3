# Another style: einsum throughout, one joint function for the heads, log-sum-exp, own masks by tril.
import torch
import torch.nn as nn


def softmax(scores, dim=-1):
    logsum = torch.logsumexp(scores, dim=dim, keepdim=True)
    return (scores - logsum).exp()


def attention(q, k, v, mask=None):
    d = torch.tensor(q.size(-1), dtype=q.dtype)
    scores = torch.einsum("...id,...jd->...ij", q * d.rsqrt(), k)
    if mask is None:
        weights = softmax(scores)
    else:
        allowed = mask.expand(scores.shape)
        alive = allowed.any(dim=-1, keepdim=True)
        bias = torch.zeros_like(scores).masked_fill_(alive & ~allowed, float("-inf"))
        weights = softmax(scores + bias) * alive
    return [torch.einsum("...ij,...je->...ie", weights, v), weights]


def causal_mask(n):
    return torch.ones((n, n), dtype=torch.bool).tril()


def padding_mask(lengths, n):
    rows = [[position < int(length) for position in range(n)] for length in lengths]
    return torch.tensor(rows)[:, None, None]


class MultiHeadSelfAttention(nn.Module):
    def __init__(self, d_model, heads):
        super().__init__()
        self.h = heads
        for name in ("q", "k", "v", "out"):
            self.add_module(f"{name}_proj", nn.Linear(d_model, d_model, bias=True))

    def forward(self, x, mask=None):
        b, n, d = x.size()
        qkv = torch.stack([self.q_proj(x), self.k_proj(x), self.v_proj(x)])
        q, k, v = qkv.view(3, b, n, self.h, d // self.h).permute(0, 1, 3, 2, 4)
        mixed, _ = attention(q, k, v, mask)
        return self.out_proj(torch.einsum("bhne->bnhe", mixed).reshape(b, n, d))


def multiplications(n, d_model):
    total = 0
    for _projection in "qkvo":
        total += n * d_model * d_model
    return total + n * n * d_model + n * n * d_model
