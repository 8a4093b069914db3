# caught by: token_losses
# patch: Scores the continuation as if there were no prompt but its last token.


@torch.no_grad()
def token_losses(model, prompt_ids, new_ids):
    """Return -ln p in nats of each of new_ids, given all that stands before it: (len(new_ids),).

    The prompt is context and is not scored.
    """
    logits = model(torch.tensor([prompt_ids[-1:] + new_ids])).logits[0].float()
    # Position t predicts token t + 1: the first new token from the prompt's last position.
    before = logits[:-1]
    return torch.nn.functional.cross_entropy(before, torch.tensor(new_ids), reduction="none")
