# caught by: prompt
# patch: Shots follow each other without the blank line between them.


def build_prompt(shots: Sequence[Review], text: str) -> str:
    """Return the shots and the open question, a blank line between two of them:

    Review: <text>
    Sentiment: <positive or negative>

    Review: <text>
    Sentiment:
    """
    solved = [f"Review: {shot['text']}\nSentiment:{LABELS[shot['label']]}\n" for shot in shots]
    return "".join(solved) + f"Review: {text}\nSentiment:"
