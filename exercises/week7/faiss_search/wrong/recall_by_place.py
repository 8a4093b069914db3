# caught by: recall
# patch: Compares place by place: another order counts as not found.


def recall(found, exact):
    """Return the mean share of the exact neighbours that were found, whatever their order.

    found, exact: ids (q, k); -1 in `found` is no neighbour.
    """
    shares = [np.mean(np.asarray(f) == np.asarray(e)) for f, e in zip(found, exact, strict=True)]
    return float(np.mean(shares))
