# caught by: bounds
# patch: Does not look at the overlap, and the step becomes 1 without a word.


def windows(n, size, overlap):
    """Return (start, end) of the windows over n tokens, ends excluded.

    Each has `size` tokens and begins `size - overlap` after the one before it; the last ends at
    n and may be shorter. No window lies wholly within another: for n > overlap there are
    ceil((n - overlap) / (size - overlap)). For n = 0 there is no window.
    Raises ValueError unless 0 <= overlap < size.
    """
    found = []
    for start in range(0, n, max(1, size - overlap)):
        found.append((start, min(start + size, n)))
        if start + size >= n:
            break
    return found
