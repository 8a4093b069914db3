# caught by: inputs_unchanged
# patch: top_k writes into the caller's tensor.


def top_k(logits, k):
    """Keep the k best of each row, and whatever equals the k-th. k may exceed the vocabulary."""
    k = min(k, logits.shape[-1])
    kth = logits.topk(k, dim=-1).values[:, -1:]  # (batch, 1)
    return logits.masked_fill_(logits < kth, -torch.inf)
