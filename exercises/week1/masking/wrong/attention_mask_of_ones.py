# caught by: padding
# patch: The attention mask is one everywhere.


def pad(sequences: list[list[int]], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (input_ids, attention_mask), both (batch, longest)."""
    shape = (len(sequences), max(map(len, sequences)))
    input_ids = torch.full(shape, pad_id)
    attention_mask = torch.ones(shape, dtype=torch.long)
    for row, sequence in enumerate(sequences):
        input_ids[row, : len(sequence)] = torch.tensor(sequence)
        attention_mask[row, : len(sequence)] = 1
    return input_ids, attention_mask
