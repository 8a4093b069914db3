# caught by: logprobs
# patch: Scores a label by its first token.


def score_rows(model, rows: list[tuple[list[int], int]], mean: bool) -> list[torch.Tensor]:
    """Score some sequences in one forward pass, padded on the right: what comes after a token
    cannot change its prediction, and positions count from the left as ever."""
    longest = max(len(ids) for ids, _ in rows)
    padded = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in rows])
    mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in rows])
    logits = model(input_ids=padded, attention_mask=mask).logits  # (rows, longest, vocabulary)
    scores = []
    for row, (ids, length) in zip(logits, rows, strict=True):
        end = len(ids)
        # Softmax over these few positions only: the whole would take half a gigabyte.
        logprobs = row[end - length - 1 : end - 1].float().log_softmax(-1)
        each = logprobs.gather(1, torch.tensor(ids[end - length :])[:, None])
        scores.append(each[0, 0])
    return scores
