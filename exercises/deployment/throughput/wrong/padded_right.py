# caught by: left_padding
# patch: Padding behind the prompts, as in training.


def pad_left(prompts, pad_id):
    """Return (input_ids, attention_mask, position_ids), int64, each (batch, longest).

    prompts: lists of token ids. attention_mask: 0 on padding. position_ids: 0, 1, 2, … from each
    prompt's own first token; what they are on padding does not matter.
    """
    longest = max(map(len, prompts))
    padded = [list(prompt) + [pad_id] * (longest - len(prompt)) for prompt in prompts]
    mask = [[1] * len(prompt) + [0] * (longest - len(prompt)) for prompt in prompts]
    attention_mask = torch.tensor(mask)
    position_ids = (attention_mask.cumsum(dim=-1) - 1).clamp(min=0)
    return torch.tensor(padded), attention_mask, position_ids
