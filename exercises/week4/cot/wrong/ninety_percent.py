# caught by: paired_bootstrap
# patch: Cuts five percent off at each end: a 90 % interval.


def paired_bootstrap(
    direct: Sequence[bool], chain: Sequence[bool], draws: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % interval of mean(chain) - mean(direct).

    Problems are resampled, each with both its outcomes: hard problems are hard for both prompts,
    and that part of the noise cancels.
    """
    rng = random.Random(seed)
    gains = [int(c) - int(d) for d, c in zip(direct, chain, strict=True)]
    means = sorted(sum(rng.choices(gains, k=len(gains))) / len(gains) for _ in range(draws))
    return means[round(0.05 * (draws - 1))], means[round(0.95 * (draws - 1))]
