# caught by: unknown
# patch: Where the rest cannot be covered, the pieces so far are kept and only the rest is [UNK].


def wordpiece(word: str, vocab: dict[str, int]) -> list[str]:
    """Cut a word into pieces of the vocabulary by greedy longest match, or into one [UNK]."""
    if len(word) > LONGEST_WORD:
        return [UNKNOWN]
    pieces = []
    start = 0
    while start < len(word):
        prefix = "##" if start else ""
        end = len(word)
        while start < end and prefix + word[start:end] not in vocab:
            end -= 1
        if start == end:
            return [*pieces, UNKNOWN]
        pieces.append(prefix + word[start:end])
        start = end
    return pieces
