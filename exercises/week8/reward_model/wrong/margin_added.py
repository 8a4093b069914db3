# caught by: loss
# fast
# patch: The margin is added: much better answers may lie closer together.


def bradley_terry_loss(chosen, rejected, margin=None):
    """Return the mean over the pairs of -ln σ(chosen - rejected - margin), a scalar.

    chosen, rejected: (n,) rewards. margin: (n,), how much better the chosen answer is, or None.
    """
    difference = chosen - rejected
    if margin is not None:
        difference = difference + margin
    return torch.logaddexp(torch.zeros_like(difference), -difference).mean()


if __name__ == "__main__":
    pass  # a run could add nothing
