# caught by: lower_and_accents
# patch: Only lower case; accents stay.


def basic_tokenize(text: str) -> list[str]:
    """Cut a text into words: cleaned, in lower case, without accents."""
    bare = clean(text).lower()
    return "".join(f" {c} " if is_punctuation(c) else c for c in bare).split()
