# caught by: lower_and_accents
# patch: NFC puts letter and accent together: no character of category Mn is left to drop.


def basic_tokenize(text: str) -> list[str]:
    """Cut a text into words: cleaned, in lower case, without accents."""
    decomposed = unicodedata.normalize("NFC", clean(text))
    bare = "".join(c for c in decomposed if unicodedata.category(c) != "Mn").lower()
    return "".join(f" {c} " if is_punctuation(c) else c for c in bare).split()
