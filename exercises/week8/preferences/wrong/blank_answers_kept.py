# caught by: comparisons
# patch: An answer of blanks alone, and one that differs in blanks, count as answers.


def comparisons(judgements: list[dict]) -> list[dict]:
    """Return the judgements that compare two real answers, their three texts stripped.

    Out: skips, and those of which an answer is empty or both are the same. Ties stay.
    """
    kept = []
    for row in judgements:
        texts = {name: row[name].strip() for name in ("prompt", "first", "second")}
        real = row["first"] and row["second"] and row["first"] != row["second"]
        if row["choice"] != "skip" and real:
            kept.append(row | texts)
    return kept
