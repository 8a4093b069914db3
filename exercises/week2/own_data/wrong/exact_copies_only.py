# caught by: one_of_each
# patch: Only texts that agree in every character count as the same.


def key_of(text):
    """Two texts with one key count as the same."""
    return text
