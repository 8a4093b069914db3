# caught by: levels
# patch: Evenly spaced levels: int4, not NF4.


def nf4_levels() -> torch.Tensor:
    """Return the 16 levels of NF4, ascending, from -1 to 1 with an exact 0: (16,) float32."""
    levels = torch.cat([torch.linspace(-1, 0, 8)[:-1], torch.linspace(0, 1, 9)])
    return (levels / levels.max()).float()
