# caught by: continuation
# patch: Cuts at Q: also in the middle of a line.


def own_answer(text: str) -> str:
    """Return the text before a further question that the model made up."""
    return text.split("Q:")[0]
