# caught by: plot
# patch: The bar starts at 0.5, which makes small differences look large.


def draw_plot(points: Sequence[Point], width: int = 40) -> str:
    """Return the curve as text, a line for each point: k, the mean with two decimals, and `#` in
    number proportional to the mean (width of them for 1.0, rounded)."""
    lines = [
        f"{p.k:3d} shots  {p.mean:.2f}  {'#' * round((p.mean - 0.5) * 2 * width)}" for p in points
    ]
    return "\n".join(lines)
