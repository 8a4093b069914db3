# caught by: decoding
# patch: Two entities of one type side by side become one.


def spans(tags: list[str]) -> set[tuple[str, int, int]]:
    """Return the entities as (type, first word, word after the last)."""
    found, kind, start = set(), "", 0
    for place, tag in enumerate([*tags, "O"]):  # the O at the end closes what is open
        new = tag.partition("-")[2]
        if new and new == kind:
            continue
        if kind:
            found.add((kind, start, place))
        kind, start = new, place
    return found
