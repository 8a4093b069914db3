# caught by: bootstrap
# patch: Resamples single values: the spread of the draws, not of their mean.


def bootstrap(values: Sequence[float], draws: int = 2000, seed: int = 0) -> tuple[float, float]:
    """Return the 2.5th and 97.5th percentile of the means of resamples with replacement."""
    rng = random.Random(seed)
    means = sorted(rng.choice(values) for _ in range(draws))
    return means[round(0.025 * (draws - 1))], means[round(0.975 * (draws - 1))]
