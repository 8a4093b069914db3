# caught by: longest_match
# patch: The end moves up from the start: the shortest piece wins.


def wordpiece(word: str, vocab: dict[str, int]) -> list[str]:
    """Cut a word into pieces of the vocabulary by greedy longest match, or into one [UNK]."""
    if len(word) > LONGEST_WORD:
        return [UNKNOWN]
    pieces = []
    start = 0
    while start < len(word):
        prefix = "##" if start else ""
        end = start + 1
        while end <= len(word) and prefix + word[start:end] not in vocab:
            end += 1
        if end > len(word):
            return [UNKNOWN]  # the good beginning is given up as well
        pieces.append(prefix + word[start:end])
        start = end
    return pieces
