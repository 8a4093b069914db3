# caught by: cache
# patch: Every pass computes the whole sequence again.


@torch.no_grad()
def generate(
    model,
    prompts: list[list[int]],
    max_new_tokens: int,
    eos_id: int,
    pad_id: int = 0,
    clock: Callable[[], float] = time.perf_counter,
) -> Run:
    """Continue all prompts greedily, in one batch, by at most max_new_tokens each.

    model: called as transformers' causal LMs are, with input_ids, attention_mask, position_ids,
    past_key_values and use_cache; it returns logits (batch, columns, vocabulary) and
    past_key_values. No pass is made once every prompt has its end-of-text token.
    clock: seconds, only differences count.
    """
    input_ids, attention_mask, position_ids = pad_left(prompts, pad_id)
    began = clock()
    out = model(
        input_ids=input_ids,
        attention_mask=attention_mask,
        position_ids=position_ids,
        use_cache=True,
    )
    last = out.logits[:, -1].argmax(dim=-1)  # (batch,)
    tokens = [[int(token)] for token in last]
    prefilled = clock()
    ended = last == eos_id
    positions = attention_mask.sum(dim=-1, keepdim=True)  # the next one of each row, (batch, 1)
    for _ in range(max_new_tokens - 1):
        if ended.all():
            break
        # The mask covers the cache and the new column.
        attention_mask = torch.cat([attention_mask, attention_mask.new_ones(len(prompts), 1)], -1)
        out = model(
            input_ids=(input_ids := torch.cat([input_ids, last[:, None]], -1)),
            attention_mask=attention_mask,
            position_ids=(attention_mask.cumsum(-1) - 1).clamp(min=0),
            use_cache=True,
        )
        last = out.logits[:, -1].argmax(dim=-1)
        for row, token in enumerate(last.tolist()):
            if not ended[row]:
                tokens[row].append(token)
        ended |= last == eos_id
        positions = positions + 1
    return Run(tokens, prefilled - began, clock() - prefilled)
