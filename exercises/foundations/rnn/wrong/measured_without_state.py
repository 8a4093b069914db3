# caught by: measures
# patch: Measured window by window, each with an empty state.


def cross_entropy(model: nn.Module, ids: torch.Tensor) -> float:
    """Return the mean cross-entropy, in nats a character, of ids[1:], each predicted from all
    characters before it."""
    model.eval()
    with torch.no_grad():
        logits = torch.cat([model(part[None])[0] for part in ids[:-1].split(48)], dim=1)
    return F.cross_entropy(logits[0], ids[1:]).item()
