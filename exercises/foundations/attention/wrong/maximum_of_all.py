# caught by: softmax
# patch: One maximum for the whole tensor: rows far below it underflow to zero.


def softmax(scores: torch.Tensor, dim: int = -1) -> torch.Tensor:
    """Return e^x over its sum along dim; a row of minus infinities gives zeros."""
    top = scores.detach().max()
    # Without the maximum e^89 is infinite in float32. It cancels out, so any number would do.
    exponentials = torch.exp(scores - top.masked_fill(top == -math.inf, 0))
    total = exponentials.sum(dim, keepdim=True)
    return exponentials / total.masked_fill(total == 0, 1)
