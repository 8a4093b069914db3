# caught by: later_tokens
# patch: triu() without an argument keeps the diagonal.


def weight_on_later_tokens(maps: torch.Tensor) -> float:
    """Return the share of its attention that a query gives to later tokens, in the mean over
    all layers, heads and queries. maps: (layers, heads, T, T)."""
    later = maps.triu().sum(dim=-1)  # (layers, heads, T)
    return later.mean().item()
