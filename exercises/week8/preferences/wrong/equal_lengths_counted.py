# caught by: length
# patch: Answers of equal length count as if the shorter had been chosen.


def length_bias(rows: list[dict]) -> dict:
    """Return the same for the longer answer, in characters: n are the decided comparisons between
    answers of different lengths."""
    decided = [row for row in rows if row["choice"] in DECIDED]
    longer = sum(len(chosen_of(row)) > len(rejected_of(row)) for row in decided)
    return counted(longer, len(decided))
