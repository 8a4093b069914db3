# caught by: causal
# patch: True hides, as in nn.MultiheadAttention.


def attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (output, weights): (…, n, e) and (…, n, m).

    q (…, n, d), k (…, m, d), v (…, m, e); mask: True where a query may look at a key,
    broadcastable to (…, n, m). A query that may look at nothing gets zeros.
    """
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(mask, -math.inf)
    weights = softmax(scores)
    return weights @ v, weights
