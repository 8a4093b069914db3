# caught by: sizes
# patch: The test share is taken from what validation has left.


def split(rows, validation=0.1, test=0.1, seed=0):
    """Return {"train", "validation", "test"}: lists of rows, stratified by label.

    validation, test: shares of the rows; train gets the rest.
    """
    draw = random.Random(seed)
    parts = {"train": [], "validation": [], "test": []}
    for label in sorted({row["label"] for row in rows}):
        mine = [row for row in rows if row["label"] == label]
        draw.shuffle(mine)
        first = round(validation * len(mine))
        second = first + round(test * (len(mine) - first) * 0.8)
        parts["validation"] += mine[:first]
        parts["test"] += mine[first:second]
        parts["train"] += mine[second:]
    for part in parts.values():
        draw.shuffle(part)  # else the labels lie in blocks
    return parts
