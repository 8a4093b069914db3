# caught by: windows
# patch: Keeps whole windows only: the end of a text is lost.


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
    for start in range(0, n - size + 1, size - overlap):
        found.append((start, start + size))
    return found
