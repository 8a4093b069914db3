# caught by: windows
# patch: Goes on after the end was reached: the last window lies within the one before it.


def windows(n, size, overlap):
    """Return (start, end) of the windows over n tokens, ends excluded.

    Each has `size` tokens and begins `size - overlap` after the one before it; the last ends at
    n and may be shorter. No window lies wholly within another: for n > overlap there are
    ceil((n - overlap) / (size - overlap)). For n = 0 there is no window.
    Raises ValueError unless 0 <= overlap < size.
    """
    if not 0 <= overlap < size:
        raise ValueError(f"an overlap of {overlap} does not fit into windows of {size}")
    found = []
    for start in range(0, n, size - overlap):
        found.append((start, min(start + size, n)))
    return found
