# caught by: merge_order
# patch: Encoding takes the longest token that fits, as WordPiece does.


def encode(text: str, merges: list[Pair]) -> list[int]:
    """Return the ids of the text's tokens."""
    ids = vocabulary(merges)
    tokens: list[bytes] = []
    for word in split(text):
        data = word.encode("utf-8")
        while data:
            longest = next(n for n in range(len(data), 0, -1) if data[:n] in ids)
            tokens.append(data[:longest])
            data = data[longest:]
    return [ids[token] for token in tokens]
