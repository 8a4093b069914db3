# caught by: log_probs
# patch: A softmax underflows to 0, whose logarithm is minus infinity.


@torch.no_grad()
def token_log_probs(model, ids: list[int]) -> torch.Tensor:
    """Return log P(ids[i] | ids[:i]) in nats for i = 1 … T - 1: (T - 1,)."""
    row = torch.tensor(ids)
    logits = model(input_ids=row[None]).logits[0]  # (T, V)
    log_probs = logits[:-1].softmax(dim=-1).log()  # the last position is about a token not there
    return log_probs.gather(1, row[1:, None]).squeeze(1)
