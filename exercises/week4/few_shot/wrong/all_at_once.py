# caught by: batch
# patch: All sequences in one forward pass, whatever batch_size says: memory is the limit.


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
            rows.append((given + wanted, len(wanted)))
    return torch.stack(score_rows(model, rows, mean)).view(len(prompts), len(labels))
