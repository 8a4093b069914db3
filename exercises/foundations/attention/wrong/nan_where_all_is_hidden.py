# caught by: fully_masked
# patch: A plain stable softmax: minus infinity minus minus infinity is NaN.


def softmax(scores: torch.Tensor, dim: int = -1) -> torch.Tensor:
    """Return e^x over its sum along dim; a row of minus infinities gives zeros."""
    exponentials = torch.exp(scores - scores.detach().amax(dim, keepdim=True))
    return exponentials / exponentials.sum(dim, keepdim=True)
