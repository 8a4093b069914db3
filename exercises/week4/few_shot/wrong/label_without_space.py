# caught by: logprobs
# patch: Strips the label: 'positive' is another token than ' positive'.


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
            wanted = tokenizer(label.strip(), add_special_tokens=False)["input_ids"]
            rows.append((given + wanted, len(wanted)))
    scores = []
    for start in range(0, len(rows), batch_size):
        scores += score_rows(model, rows[start : start + batch_size], mean)
    return torch.stack(scores).view(len(prompts), len(labels))
