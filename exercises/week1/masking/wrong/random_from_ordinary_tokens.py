# caught by: whole_vocabulary
# patch: Random tokens leave out the special ones at the beginning of the vocabulary.


def collate(
    sequences: list[list[int]],
    *,
    mask_id: int,
    pad_id: int,
    special_ids: set[int],
    vocab_size: int,
    generator: torch.Generator,
    probability: float = 0.15,
) -> dict[str, torch.Tensor]:
    """Return a batch for a masked language model: input_ids, attention_mask and labels.

    All are (batch, longest). labels: the original id of the chosen tokens, -100 elsewhere.
    """
    original, attention_mask = pad(sequences, pad_id)
    shape = original.shape
    special = torch.isin(original, torch.tensor(sorted(special_ids), dtype=torch.long))
    choosable = attention_mask.bool() & ~special
    chosen = choosable & (torch.rand(shape, generator=generator) < probability)

    fate = torch.rand(shape, generator=generator)  # one draw, so that the shares add up
    masked = chosen & (fate < 0.8)
    replaced = chosen & (fate >= 0.9)
    random_ids = torch.randint(5, vocab_size, shape, generator=generator)
    input_ids = torch.where(replaced, random_ids, original.masked_fill(masked, mask_id))
    labels = original.masked_fill(~chosen, IGNORED)
    return {"input_ids": input_ids, "attention_mask": attention_mask, "labels": labels}
