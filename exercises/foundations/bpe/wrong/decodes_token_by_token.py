# caught by: round_trip
# patch: Each token is decoded on its own: a character in two tokens is lost.


def decode(ids: list[int], merges: list[Pair]) -> str:
    """Return the text of the ids; bytes that are no valid UTF-8 become U+FFFD."""
    tokens = {number: token for token, number in vocabulary(merges).items()}
    return "".join(tokens[number].decode("utf-8", errors="replace") for number in ids)
