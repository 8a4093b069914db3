# caught by: masked_loss
# patch: Each sequence has the same weight, however many of its tokens are counted.


def masked_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the mean of -log p(label) over the labels that are not -100.

    logits (batch, n, vocabulary), labels (batch, n).
    """
    counted = labels != IGNORED
    log_p = logits.log_softmax(-1).gather(-1, labels.clamp(min=0)[..., None])[..., 0]
    rows = -(log_p * counted).sum(1) / counted.sum(1).clamp(min=1)
    return rows.mean()
