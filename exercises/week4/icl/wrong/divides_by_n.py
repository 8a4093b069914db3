# caught by: standard_error
# patch: The deviation of a population (n), not of a sample (n - 1).


def standard_error(values: Sequence[float]) -> float:
    """Return s / sqrt(n), s with n - 1 degrees of freedom; n is at least 2."""
    return statistics.pstdev(values) / len(values) ** 0.5
