# caught by: stops
# patch: Compares before it appends: the EOS is lost.


@torch.no_grad()
def greedy(model, ids: list[int], max_new_tokens: int, eos: int) -> list[int]:
    """Append the most probable token again and again, the whole text through the model each time."""
    ids, new = list(ids), []
    while len(new) < max_new_tokens:
        logits = model(input_ids=torch.tensor([ids + new])).logits  # (1, T, V)
        token = logits[0, -1].argmax().item()
        if token == eos:
            break
        new.append(token)
    return new
