# caught by: padding
# patch: The attention mask is padded with 1.


def collate(
    tokenizer: PreTrainedTokenizerBase, examples: list[dict[str, list[int]]]
) -> dict[str, torch.Tensor]:
    """Return a batch: tensors (n, longest), padded on the right. Padding is neither attended to
    nor learned."""
    filling = {"input_ids": tokenizer.pad_token_id, "attention_mask": 1, "labels": IGNORED}
    return {
        name: nn.utils.rnn.pad_sequence(
            [torch.tensor(example[name]) for example in examples],
            batch_first=True,
            padding_value=value,
        )
        for name, value in filling.items()
    }
