# caught by: cost
# patch: Idle time makes tokens cheaper.


def cost_per_thousand(
    price_per_hour: float, tokens_per_s: float, utilization: float = 1.0
) -> float:
    """Return the price of 1,000 tokens on a machine that works `utilization` (0 to 1) of the hour
    it is paid for."""
    return price_per_hour / 3600 / tokens_per_s * utilization * 1000
