# caught by: loss
# fast
# patch: σ first, then the logarithm: -inf for a pair that is far off.


def bradley_terry_loss(chosen, rejected, margin=None):
    """Return the mean over the pairs of -ln σ(chosen - rejected - margin), a scalar.

    chosen, rejected: (n,) rewards. margin: (n,), how much better the chosen answer is, or None.
    """
    difference = chosen - rejected
    if margin is not None:
        difference = difference - margin
    return -torch.log(torch.sigmoid(difference)).mean()


if __name__ == "__main__":
    pass  # a run could add nothing
