# caught by: loss
# patch: log(sigmoid(x)): -inf for a pair that is far off.


def dpo_loss(
    policy: torch.Tensor,
    reference: torch.Tensor,
    beta: float,
    loss_type: str = "sigmoid",
    label_smoothing: float = 0.0,
    lengths: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the loss of each pair: (B,).

    policy, reference: (2B,) log-probabilities of the responses. loss_type: "sigmoid" (equation
    7), "robust" (a share label_smoothing of the labels is flipped; arXiv 2403.00409) or "ipo"
    (arXiv 2310.12036; log-ratios a token). lengths: (2B,) response tokens, for "ipo".
    """
    chosen, rejected = log_ratios(policy, reference)
    margin = beta * (chosen - rejected)
    if loss_type == "sigmoid":
        return -torch.log(torch.sigmoid(margin))  # log(sigmoid(x)) would be -inf from x = -104 on
    if loss_type == "robust":
        right, flipped = -F.logsigmoid(margin), -F.logsigmoid(-margin)
        # Its mean over the noise is the loss on clean labels.
        expected = (1 - label_smoothing) * right - label_smoothing * flipped
        return expected / (1 - 2 * label_smoothing)
    if loss_type == "ipo":
        chosen_length, rejected_length = lengths.chunk(2)
        difference = chosen / chosen_length - rejected / rejected_length
        return (difference - 1 / (2 * beta)) ** 2
    raise ValueError(f"loss_type: {loss_type!r}; known are sigmoid, robust and ipo")
