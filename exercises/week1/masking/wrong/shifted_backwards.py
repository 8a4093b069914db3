# caught by: causal_loss
# patch: The logits predict the token before.


def causal_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The same, where the logits at position i predict the label at i + 1."""
    return masked_loss(logits[:, 1:], labels[:, :-1])
