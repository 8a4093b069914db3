# caught by: cleaning
# patch: Only control characters (Cc) are dropped; zero-width and soft hyphens (Cf) stay.


def clean(text: str) -> str:
    """Drop what cannot be seen, make all white space a space, set Chinese characters apart."""
    kept = []
    for character in text:
        if character in "\t\n\r":
            kept.append(" ")
        elif character == "\ufffd" or unicodedata.category(character) == "Cc":
            continue
        elif character.isspace():
            kept.append(" ")
        else:
            kept.append(f" {character} " if is_cjk(character) else character)
    return "".join(kept)
