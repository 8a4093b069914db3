# caught by: plain
# patch: Codes are cut towards zero, not rounded.


def codes_for(blocks, scales):
    """Return the nearest codes, int8. scales: (rows, blocks, 1)."""
    safe = torch.where(scales == 0, 1.0, scales)
    return (blocks / safe).trunc().clamp(-8, 7).to(torch.int8)
