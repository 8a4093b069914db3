# caught by: calibrate
# patch: Multiplies by the content-free probabilities instead of dividing.


def calibrate(logprobs: torch.Tensor, content_free: torch.Tensor) -> torch.Tensor:
    """Return calibrated probabilities (n, labels), each row sums to one.

    logprobs: (n, labels). content_free: the same for m content-free texts in the same prompt,
    (m, labels). Both are made probabilities over the labels first; the m are averaged
    (arXiv 2102.09690, section 5: q proportional to p / p_cf).
    """
    bias = content_free.softmax(-1).mean(0)
    weighted = logprobs.softmax(-1) * bias
    return weighted / weighted.sum(-1, keepdim=True)
