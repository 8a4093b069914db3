# caught by: one_of_each
# patch: The key keeps a to z only: all Chinese texts become one.


def key_of(text):
    """Two texts with one key count as the same."""
    return "".join(
        character
        for character in text.casefold()
        if character in "abcdefghijklmnopqrstuvwxyz0123456789"
    )
