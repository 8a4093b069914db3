# caught by: batch
# patch: Chosen and rejected of a pair follow each other: chunk(2) then mixes them up.


def collate(pairs: list[dict[str, list[int]]], pad_id: int) -> dict[str, torch.Tensor]:
    """Return input_ids, attention_mask and completion_mask, (2B, T) int64, padded on the right.

    pairs: prompt_ids, chosen_ids, rejected_ids. completion_mask is 1 on the response's tokens.
    """
    rows = [
        (pair["prompt_ids"], pair[which])
        for pair in pairs
        for which in ("chosen_ids", "rejected_ids")
    ]
    longest = max(len(prompt) + len(response) for prompt, response in rows)

    def padded(row, value):
        return row + [value] * (longest - len(row))

    batch = {
        "input_ids": [padded(p + r, pad_id) for p, r in rows],
        "attention_mask": [padded([1] * len(p + r), 0) for p, r in rows],
        "completion_mask": [padded([0] * len(p) + [1] * len(r), 0) for p, r in rows],
    }
    return {name: torch.tensor(values) for name, values in batch.items()}
