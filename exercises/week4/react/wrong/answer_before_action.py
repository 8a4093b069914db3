# caught by: parse
# patch: Takes a final answer wherever it stands, also after an action.


def parse(text: str) -> Turn:
    """Return the parts of what the model wrote in one turn.

    A label counts at the beginning of a line. An observation is never the model's to write: the
    text ends there. A final answer after an action was written without having seen the result:
    the action counts.
    """
    _, *pieces = LABEL.split(text)  # what precedes the first label, then label, body, label, ...
    parts: dict[str, str] = {}
    for label, body in zip(pieces[::2], pieces[1::2], strict=True):
        if label == "Observation":
            break
        parts.setdefault(label, body.strip())
        if label == "Final Answer":
            break
    return Turn(
        parts.get("Thought", ""),
        None if "Final Answer" in parts else parts.get("Action"),
        parts.get("Action Input"),
        parts.get("Final Answer"),
    )
