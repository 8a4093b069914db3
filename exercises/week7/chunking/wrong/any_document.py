# caught by: rank
# patch: The same words in another document count as a hit.


def is_hit(chunk, question):
    """Return whether the chunk answers: it is of the question's document and holds the quote."""
    return question.quote in chunk.body
