# caught by: paired_bootstrap
# patch: Resamples the two lists apart: the noise that they share does not cancel.


def paired_bootstrap(
    direct: Sequence[bool], chain: Sequence[bool], draws: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % interval of mean(chain) - mean(direct).

    Problems are resampled, each with both its outcomes: hard problems are hard for both prompts,
    and that part of the noise cancels.
    """
    rng = random.Random(seed)
    n = len(direct)
    means = sorted(
        (sum(rng.choices(chain, k=n)) - sum(rng.choices(direct, k=n))) / n for _ in range(draws)
    )
    return means[round(0.025 * (draws - 1))], means[round(0.975 * (draws - 1))]
