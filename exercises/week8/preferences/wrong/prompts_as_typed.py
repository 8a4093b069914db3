# caught by: split
# patch: A capital or a blank makes another prompt: the same question stands on both sides.


def prompt_key(pair: dict) -> str:
    """Return the prompt, however it was typed."""
    return pair["prompt"][0]["content"]
