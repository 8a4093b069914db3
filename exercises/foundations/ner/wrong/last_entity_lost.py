# caught by: decoding
# patch: An entity at the end of the sentence is never closed.


def spans(tags: list[str]) -> set[tuple[str, int, int]]:
    """Return the entities as (type, first word, word after the last)."""
    found, kind, start = set(), "", 0
    for place, tag in enumerate(tags):
        prefix, _, new = tag.partition("-")
        if prefix == "I" and new == kind:
            continue
        if kind:
            found.add((kind, start, place))
        kind, start = new, place
    return found
