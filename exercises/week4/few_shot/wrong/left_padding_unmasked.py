# caught by: batch
# patch: Pads on the left and forgets mask and positions.


def score_rows(model, rows: list[tuple[list[int], int]], mean: bool) -> list[torch.Tensor]:
    """Score some sequences in one forward pass, padded on the right: what comes after a token
    cannot change its prediction, and positions count from the left as ever."""
    longest = max(len(ids) for ids, _ in rows)
    padded = torch.tensor([[0] * (longest - len(ids)) + ids for ids, _ in rows])
    logits = model(input_ids=padded).logits  # (rows, longest, vocabulary)
    scores = []
    for row, (ids, length) in zip(logits, rows, strict=True):
        end = longest
        # Softmax over these few positions only: the whole would take half a gigabyte.
        logprobs = row[end - length - 1 : end - 1].float().log_softmax(-1)
        each = logprobs.gather(1, torch.tensor(ids[len(ids) - length :])[:, None])
        scores.append(each.mean() if mean else each.sum())
    return scores
