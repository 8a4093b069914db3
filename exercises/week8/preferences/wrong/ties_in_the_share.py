# caught by: position
# patch: Ties count as if the second answer had been chosen.


def position_bias(rows: list[dict]) -> dict:
    """Return {"k", "n", "share", "low", "high"}: in k of the n decided comparisons the first answer
    was chosen; share is k / n (None where n is 0), low and high its interval."""
    return counted(sum(row["choice"] == "first" for row in rows), len(rows))
