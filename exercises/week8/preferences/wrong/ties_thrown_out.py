# caught by: comparisons
# patch: Ties go with the skips: nobody can measure agreement any more.


def comparisons(judgements: list[dict]) -> list[dict]:
    """Return the judgements that compare two real answers, their three texts stripped.

    Out: skips, and those of which an answer is empty or both are the same. Ties stay.
    """
    kept = []
    for row in judgements:
        texts = {name: row[name].strip() for name in ("prompt", "first", "second")}
        real = texts["first"] and texts["second"] and texts["first"] != texts["second"]
        if row["choice"] in DECIDED and real:
            kept.append(row | texts)
    return kept
