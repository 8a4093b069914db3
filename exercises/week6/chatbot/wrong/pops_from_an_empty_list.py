# caught by: fits
# patch: Turns are dropped until none is left: the user reads "pop from empty list".


def fit(tokenizer, messages: list[dict], budget: int) -> list[dict]:
    """Return the messages without the oldest turns, so that their tokens are at most budget.

    The system prompt and the last question stay; a question goes together with its answer.
    Raises ValueError where those two alone are too long.
    """
    system, turns = messages[:1], messages[1:]
    while len(encode(tokenizer, system + turns)) > budget:
        turns.pop(0)
        turns.pop(0)
    return system + turns
