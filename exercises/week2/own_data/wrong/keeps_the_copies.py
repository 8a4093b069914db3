# caught by: no_contradictions
# patch: Drops the later label only, and leaves the text's other copies.


def clean(rows):
    """Return the rows in their order, each text once, without those that bear two labels."""
    labels = {}
    for row in rows:
        labels.setdefault(key_of(row["text"]), set()).add(row["label"])
    kept = {(key_of(row["text"]), row["label"]): row for row in reversed(rows)}
    return list(reversed(kept.values()))
