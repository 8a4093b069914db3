# caught by: token_losses
# patch: Reads a token's probability at its own position, where the model has seen it.


@torch.no_grad()
def token_losses(model, prompt_ids, new_ids):
    """Return -ln p in nats of each of new_ids, given all that stands before it: (len(new_ids),).

    The prompt is context and is not scored.
    """
    logits = model(torch.tensor([prompt_ids + new_ids])).logits[0].float()
    before = logits[len(prompt_ids) :]
    return torch.nn.functional.cross_entropy(before, torch.tensor(new_ids), reduction="none")
