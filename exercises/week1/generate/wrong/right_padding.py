# caught by: left_padding
# patch: The tokenizer's default pads on the right, so that the text goes on after padding.


@torch.no_grad()
def greedy_batch(model, tokenizer, prompts: list[str], max_new_tokens: int) -> list[list[int]]:
    """Return for each prompt the ids that `greedy` would append to it, all rows in one batch.

    A row ends with tokenizer.eos_token_id, as with `greedy`. Positions: the models here take
    position_ids beside input_ids and attention_mask.
    """
    batch = tokenizer(prompts, padding=True, return_tensors="pt")
    ids, mask = batch["input_ids"], batch["attention_mask"]  # (B, T)
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    rows, cache = [[] for _ in prompts], None
    for _ in range(max_new_tokens):
        output = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        )
        cache = output.past_key_values
        best = output.logits[:, -1].argmax(dim=-1)  # the last column is real in every row
        for row, token in zip(rows, best.tolist(), strict=True):
            if not _ended(row, tokenizer.eos_token_id):
                row.append(token)
        if all(_ended(row, tokenizer.eos_token_id) for row in rows):
            break
        ids, positions = best[:, None], positions[:, -1:] + 1
        mask = torch.cat([mask, torch.ones_like(ids)], dim=1)
    return rows
