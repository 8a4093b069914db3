# caught by: loss
# fast
# patch: Stable, but without a slope where both rewards are equal: a head of zeros never moves.


def bradley_terry_loss(chosen, rejected, margin=None):
    """Return the mean over the pairs of -ln σ(chosen - rejected - margin), a scalar.

    chosen, rejected: (n,) rewards. margin: (n,), how much better the chosen answer is, or None.
    """
    difference = chosen - rejected
    if margin is not None:
        difference = difference - margin
    stable = torch.relu(-difference) + torch.log1p(torch.exp(-difference.abs()))
    return stable.mean()


if __name__ == "__main__":
    pass  # a run could add nothing
