# caught by: kv_cache
# patch: Feeds the last token alone and forgets to hand the cache back.


@torch.no_grad()
def greedy_cached(model, ids: list[int], max_new_tokens: int, eos: int) -> list[int]:
    """The same ids, but each token goes through the model once: keys and values are kept."""
    new, cache = [], None
    unseen = list(ids)
    while len(new) < max_new_tokens:
        output = model(input_ids=torch.tensor([unseen]), past_key_values=cache, use_cache=True)
        new.append(output.logits[0, -1].argmax().item())
        if new[-1] == eos:
            break
        unseen = new[-1:]  # the cache holds the rest
    return new
