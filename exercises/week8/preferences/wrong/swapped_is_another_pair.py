# caught by: repeats
# patch: With its sides swapped a pair is taken for another one.


def pair_of(row: dict) -> tuple:
    """Return what is the same for every judgement of the same pair."""
    return row["prompt"], row["first"], row["second"]
