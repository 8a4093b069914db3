# caught by: encoding
# patch: Encoding cuts at white space and loses it.


def encode(text: str, merges: list[Pair]) -> list[int]:
    """Return the ids of the text's tokens."""
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    ids = vocabulary(merges)
    tokens: list[bytes] = []
    for word in text.split():
        pieces = bytes_of(word)
        while known := [pair for pair in pairwise(pieces) if pair in ranks]:
            pieces = merge(pieces, min(known, key=ranks.__getitem__))
        tokens += pieces
    return [ids[token] for token in tokens]
