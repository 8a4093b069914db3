# caught by: equals_bert
# patch: The ids of the pieces alone.


def encode(text: str, vocab: dict[str, int]) -> list[int]:
    """Return the ids of a text, [CLS] first and [SEP] last."""
    pieces = [piece for word in basic_tokenize(text) for piece in wordpiece(word, vocab)]
    return [vocab[piece] for piece in pieces]
