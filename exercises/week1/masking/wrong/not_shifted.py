# caught by: causal_loss
# patch: Each token's logits are compared with that token itself.


def causal_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The same, where the logits at position i predict the label at i + 1."""
    return masked_loss(logits, labels)
