# caught by: fully_masked
# patch: Hidden scores become -1e9: where all are hidden, all get the same weight.


def softmax(scores: torch.Tensor, dim: int = -1) -> torch.Tensor:
    """Return e^x over its sum along dim; a row of minus infinities gives zeros."""
    exponentials = torch.exp(scores - scores.detach().amax(dim, keepdim=True))
    return exponentials / exponentials.sum(dim, keepdim=True)


def attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (output, weights): (…, n, e) and (…, n, m).

    q (…, n, d), k (…, m, d), v (…, m, e); mask: True where a query may look at a key,
    broadcastable to (…, n, m). A query that may look at nothing gets zeros.
    """
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -1e9)
    weights = softmax(scores)
    return weights @ v, weights
