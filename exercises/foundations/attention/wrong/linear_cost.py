# caught by: cost
# patch: Only the projections are counted, as if attention were linear in n.


def multiplications(n: int, d_model: int) -> int:
    """Return the multiplications of one layer for n tokens, without biases and softmax."""
    projections = 4 * n * d_model**2  # q, k, v and out: grows with n
    return projections
