# caught by: equals_bert
# patch: NFKD also takes ligatures, fractions and circled digits apart.


def basic_tokenize(text: str) -> list[str]:
    """Cut a text into words: cleaned, in lower case, without accents."""
    decomposed = unicodedata.normalize("NFKD", clean(text))
    bare = "".join(c for c in decomposed if unicodedata.category(c) != "Mn").lower()
    return "".join(f" {c} " if is_punctuation(c) else c for c in bare).split()
