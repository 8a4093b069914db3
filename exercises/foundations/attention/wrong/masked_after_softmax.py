# caught by: causal
# patch: Weights are set to zero after the softmax: the others no longer sum to 1.


def attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (output, weights): (…, n, e) and (…, n, m).

    q (…, n, d), k (…, m, d), v (…, m, e); mask: True where a query may look at a key,
    broadcastable to (…, n, m). A query that may look at nothing gets zeros.
    """
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    weights = softmax(scores)
    if mask is not None:
        weights = weights.masked_fill(~mask, 0)
    return weights @ v, weights
