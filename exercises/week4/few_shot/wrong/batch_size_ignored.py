# caught by: batch
# patch: One sequence at a time, whatever batch_size says.


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
    scores = []
    for prompt in prompts:
        given = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        for label in labels:
            wanted = tokenizer(label, add_special_tokens=False)["input_ids"]
            scores += score_rows(model, [(given + wanted, len(wanted))], mean)
    return torch.stack(scores).view(len(prompts), len(labels))
