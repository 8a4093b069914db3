# caught by: token_losses
# patch: Scores the prompt as well.


@torch.no_grad()
def token_losses(model, prompt_ids, new_ids):
    """Return -ln p in nats of each of new_ids, given all that stands before it: (len(new_ids),).

    The prompt is context and is not scored.
    """
    logits = model(torch.tensor([prompt_ids + new_ids])).logits[0].float()
    targets = torch.tensor((prompt_ids + new_ids)[1:])
    return torch.nn.functional.cross_entropy(logits[:-1], targets, reduction="none")
