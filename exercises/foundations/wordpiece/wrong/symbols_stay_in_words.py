# caught by: punctuation
# patch: Only Unicode's punctuation is split off; $ + < = > ^ ` | ~ are symbols and stay.


def is_punctuation(character: str) -> bool:
    """ASCII's signs count as punctuation in BERT, also where Unicode calls them symbols."""
    return unicodedata.category(character).startswith("P")
