# caught by: greedy
# patch: An ended row keeps on writing after its end.


def generate(next_logits, ids, max_new_tokens, choose, eos_id=None):
    """Append up to max_new_tokens ids to each row of ids (batch, length).

    next_logits: (batch, length) -> (batch, vocab). choose: (logits, ids) -> (batch,).
    A row that has ended is filled with eos_id; when all have ended, the loop does.
    """
    ended = torch.zeros(len(ids), dtype=torch.bool)
    for _ in range(max_new_tokens):
        chosen = choose(next_logits(ids), ids)
        if eos_id is not None:
            ended |= chosen == eos_id
        ids = torch.cat([ids, chosen[:, None]], dim=1)
        if ended.all():
            break
    return ids
