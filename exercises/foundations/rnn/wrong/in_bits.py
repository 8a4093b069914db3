# caught by: measures
# patch: Bits instead of nats.


def cross_entropy(model: nn.Module, ids: torch.Tensor) -> float:
    """Return the mean cross-entropy, in nats a character, of ids[1:], each predicted from all
    characters before it."""
    model.eval()
    with torch.no_grad():
        logits, _ = model(ids[None, :-1])
    return F.cross_entropy(logits[0], ids[1:]).item() / math.log(2)
