# caught by: no_contradictions
# patch: Keeps the first of two labels, as if it were the right one.


def clean(rows):
    """Return the rows in their order, each text once, without those that bear two labels."""
    labels = {}
    for row in rows:
        labels.setdefault(key_of(row["text"]), set()).add(row["label"])
    kept = {}
    for row in rows:
        if labels[key_of(row["text"])]:
            kept.setdefault(key_of(row["text"]), row)
    return list(kept.values())
