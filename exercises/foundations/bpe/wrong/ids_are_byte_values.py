# caught by: vocabulary
# patch: The bytes get their own values as ids.


def vocabulary(merges: list[Pair]) -> dict[bytes, int]:
    """Return the id of each token: the 256 bytes, then the merged tokens in order."""
    tokens = [bytes([value]) for value in range(256)] + [left + right for left, right in merges]
    return {token: number for number, token in enumerate(tokens)}
