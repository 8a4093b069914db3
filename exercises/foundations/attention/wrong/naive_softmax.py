# caught by: softmax
# patch: No maximum is subtracted: e^1000 is infinite, infinite over infinite is NaN.


def softmax(scores: torch.Tensor, dim: int = -1) -> torch.Tensor:
    """Return e^x over its sum along dim; a row of minus infinities gives zeros."""
    exponentials = torch.exp(scores)
    total = exponentials.sum(dim, keepdim=True)
    return exponentials / total.masked_fill(total == 0, 1)
