# caught by: decoding
# patch: Any I- continues whatever is open.


def spans(tags: list[str]) -> set[tuple[str, int, int]]:
    """Return the entities as (type, first word, word after the last)."""
    found, kind, start = set(), "", 0
    for place, tag in enumerate([*tags, "O"]):  # the O at the end closes what is open
        prefix, _, new = tag.partition("-")
        if prefix == "I" and kind:
            continue
        if kind:
            found.add((kind, start, place))
        kind, start = new, place
    return found
