# caught by: batches
# patch: Batches in the order of arrival.


def plan(lengths: list[int], size: int) -> list[list[int]]:
    """Return batches of at most `size` indices into lengths, as few as there can be. Neighbours in
    length share a batch, so that little is padded."""
    order = list(range(len(lengths)))
    return [order[start : start + size] for start in range(0, len(order), size)]
