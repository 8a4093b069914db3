# caught by: continuation
# patch: An inside piece may also be one without ##.


def wordpiece(word: str, vocab: dict[str, int]) -> list[str]:
    """Cut a word into pieces of the vocabulary by greedy longest match, or into one [UNK]."""
    if len(word) > LONGEST_WORD:
        return [UNKNOWN]
    pieces = []
    start = 0
    while start < len(word):
        prefix = "##" if start else ""
        end = len(word)
        while start < end and not {prefix + word[start:end], word[start:end]} & vocab.keys():
            end -= 1
        if start == end:
            return [UNKNOWN]  # the good beginning is given up as well
        piece = prefix + word[start:end]
        pieces.append(piece if piece in vocab else word[start:end])
        start = end
    return pieces
