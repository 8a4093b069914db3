# caught by: awkward
# patch: A word starts as its characters: what is not ASCII is no byte and has no id.


def bytes_of(word: str) -> list[bytes]:
    return [character.encode("utf-8") for character in word]
