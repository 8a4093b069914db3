# caught by: position
# patch: The normal approximation: 0 of 8 becomes a point, 8 of 8 as well.


def interval(k: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Return Wilson's score interval for k of n (95 % at z = 1.96); (0, 1) where n is 0."""
    if n == 0:
        return 0.0, 1.0
    share = k / n
    half = z * math.sqrt(share * (1 - share) / n)
    return max(0.0, share - half), min(1.0, share + half)
