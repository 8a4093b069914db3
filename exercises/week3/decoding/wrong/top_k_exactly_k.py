# caught by: top_k
# patch: Keeps exactly k by position: of equal logits some stay and some go.


def top_k(logits, k):
    """Keep the k best of each row, and whatever equals the k-th. k may exceed the vocabulary."""
    k = min(k, logits.shape[-1])
    best = logits.topk(k, dim=-1)
    return torch.full_like(logits, -torch.inf).scatter(1, best.indices, best.values)
