# caught by: levels
# patch: Quantiles in the middle of 16 equal shares: symmetric, and without a zero.


def nf4_levels() -> torch.Tensor:
    """Return the 16 levels of NF4, ascending, from -1 to 1 with an exact 0: (16,) float32."""
    quantile = torch.special.ndtri  # the inverse of the normal distribution function
    levels = quantile((torch.arange(16, dtype=torch.float64) + 0.5) / 16)
    return (levels / levels.max()).float()
