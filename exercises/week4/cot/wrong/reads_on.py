# caught by: continuation
# patch: Reads the next question that the model made up, and its answer.


def own_answer(text: str) -> str:
    """Return the text before a further question that the model made up."""
    return text
