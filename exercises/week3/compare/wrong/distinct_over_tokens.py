# caught by: distinct_n
# patch: Divides by the number of tokens, not of n-grams.


def distinct_n(ids, n):
    """Return the share of different n-grams among all n-grams; 0.0 where there is none."""
    grams = ngrams(ids, n)
    return len(set(grams)) / len(ids)
