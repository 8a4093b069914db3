# caught by: standard_error
# patch: Reports the standard deviation as the error of the mean.


def standard_error(values: Sequence[float]) -> float:
    """Return s / sqrt(n), s with n - 1 degrees of freedom; n is at least 2."""
    return statistics.stdev(values)
