# caught by: repeats
# patch: A pair that contradicts itself is kept, as it was judged last.


def to_pairs(rows: list[dict]) -> list[dict]:
    """Return trl's conversational preference format: a row for each pair whose decided judgements
    all choose the same answer, in the order in which they were first decided.

    rows: comparisons. Ties choose nothing; a pair that contradicts itself is left out.
    """
    last = {pair_of(row): row for row in rows if row["choice"] in DECIDED}
    return [conversation(row) for row in last.values()]
