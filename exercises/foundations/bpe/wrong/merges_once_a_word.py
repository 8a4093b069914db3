# caught by: training
# patch: Only the first place in a word is merged.


def merge(pieces: list[bytes], pair: Pair) -> list[bytes]:
    """Join the pair wherever it stands, from left to right."""
    merged = []
    i = 0
    while i < len(pieces):
        if tuple(pieces[i : i + 2]) == pair:
            return [*merged, pieces[i] + pieces[i + 1], *pieces[i + 2 :]]
        else:
            merged.append(pieces[i])
            i += 1
    return merged
