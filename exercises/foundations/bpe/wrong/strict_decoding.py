# caught by: broken_bytes
# patch: Decoding raises where the ids end in the middle of a character.


def decode(ids: list[int], merges: list[Pair]) -> str:
    """Return the text of the ids; bytes that are no valid UTF-8 become U+FFFD."""
    tokens = {number: token for token, number in vocabulary(merges).items()}
    return b"".join(tokens[number] for number in ids).decode("utf-8")
