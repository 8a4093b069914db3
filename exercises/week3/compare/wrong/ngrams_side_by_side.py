# caught by: distinct_n
# patch: Cuts the text into n-grams that do not overlap.


def ngrams(ids, n):
    return [tuple(ids[start : start + n]) for start in range(0, len(ids) - n + 1, n)]
