# caught by: mean
# patch: Divides by the label's length in characters.


@torch.no_grad()
def label_logprobs(
    model,
    tokenizer,
    prompts: Sequence[str],
    labels: Sequence[str] = LABELS,
    mean: bool = False,
    batch_size: int = 16,
) -> torch.Tensor:
    """Return log p(label | prompt), float32, (prompts, labels).

    mean: divide by the label's number of tokens, so that a long label is not punished for its
    length. batch_size: sequences (a prompt with one label each) in a forward pass.
    """
    rows = []  # (all token ids, how many of them are the label's)
    for prompt in prompts:
        given = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        for label in labels:
            wanted = tokenizer(label, add_special_tokens=False)["input_ids"]
            rows.append((given + wanted, len(wanted), len(label)))
    scores = []
    for start in range(0, len(rows), batch_size):
        scores += score_rows(model, rows[start : start + batch_size], mean)
    return torch.stack(scores).view(len(prompts), len(labels))


def score_rows(model, rows: list[tuple[list[int], int, int]], mean: bool) -> list[torch.Tensor]:
    """Score some sequences in one forward pass, padded on the right: what comes after a token
    cannot change its prediction, and positions count from the left as ever."""
    longest = max(len(ids) for ids, *_ in rows)
    padded = torch.tensor([ids + [0] * (longest - len(ids)) for ids, *_ in rows])
    mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, *_ in rows])
    logits = model(input_ids=padded, attention_mask=mask).logits  # (rows, longest, vocabulary)
    scores = []
    for row, (ids, length, characters) in zip(logits, rows, strict=True):
        end = len(ids)
        # Softmax over these few positions only: the whole would take half a gigabyte.
        logprobs = row[end - length - 1 : end - 1].float().log_softmax(-1)
        each = logprobs.gather(1, torch.tensor(ids[end - length :])[:, None])
        scores.append(each.sum() / characters if mean else each.sum())
    return scores
