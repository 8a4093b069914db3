# caught by: left_padding
# patch: The mask is read off the ids: a prompt may hold the padding token.


def pad_left(prompts, pad_id):
    """Return (input_ids, attention_mask, position_ids), int64, each (batch, longest).

    prompts: lists of token ids. attention_mask: 0 on padding. position_ids: 0, 1, 2, … from each
    prompt's own first token; what they are on padding does not matter.
    """
    longest = max(map(len, prompts))
    padded = [[pad_id] * (longest - len(prompt)) + list(prompt) for prompt in prompts]
    attention_mask = (torch.tensor(padded) != pad_id).long()
    position_ids = (attention_mask.cumsum(dim=-1) - 1).clamp(min=0)
    return torch.tensor(padded), attention_mask, position_ids
