# caught by: masked_loss
# patch: The sum is divided by all positions, not by the counted ones.


def masked_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the mean of -log p(label) over the labels that are not -100.

    logits (batch, n, vocabulary), labels (batch, n).
    """
    counted = labels != IGNORED
    log_p = logits[counted].log_softmax(-1)  # (counted, vocabulary)
    return -log_p.gather(-1, labels[counted][:, None]).sum() / labels.numel()
