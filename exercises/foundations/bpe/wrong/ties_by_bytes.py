# caught by: ties
# patch: Ties are decided by the bytes, not by the ids: a space comes before every letter.


def train(texts: list[str], merges: int) -> list[Pair]:
    """Learn up to `merges` merges, the most frequent pair first.

    Among equals the pair whose left token has the smaller id, then whose right token has.
    """
    # Each distinct word once, with its count: real text repeats itself.
    counts = Counter(word for text in texts for word in split(text))
    words = [(bytes_of(word), count) for word, count in counts.items()]
    ids = vocabulary([])
    learned: list[Pair] = []
    while len(learned) < merges:
        pairs: Counter[Pair] = Counter()
        for pieces, count in words:
            for pair in pairwise(pieces):
                pairs[pair] += count
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        learned.append(best)
        ids[best[0] + best[1]] = len(ids)  # the next tie may need it
        words = [(merge(pieces, best), count) for pieces, count in words]
    return learned
