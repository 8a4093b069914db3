# caught by: chinese
# patch: Chinese characters are left together as one word.


def clean(text: str) -> str:
    """Drop what cannot be seen, make all white space a space, set Chinese characters apart."""
    kept = []
    for character in text:
        if character in "\t\n\r":
            kept.append(" ")
        elif character == "\ufffd" or unicodedata.category(character).startswith("C"):
            continue
        elif character.isspace():
            kept.append(" ")
        else:
            kept.append(character)
    return "".join(kept)
