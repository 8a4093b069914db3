# caught by: pairs
# patch: The first answer is always the chosen one.


def chosen_of(row: dict) -> str:
    """Return the answer that was chosen; the choice must be decided."""
    return row["first"]


def rejected_of(row: dict) -> str:
    return row["second"]
