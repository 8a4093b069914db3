# caught by: decoding
# patch: An I- without a B- is no entity.


def spans(tags: list[str]) -> set[tuple[str, int, int]]:
    """Return the entities as (type, first word, word after the last)."""
    found, kind, start = set(), "", 0
    for place, tag in enumerate([*tags, "O"]):  # the O at the end closes what is open
        prefix, _, new = tag.partition("-")
        if prefix == "I" and new == kind:
            continue
        if kind:
            found.add((kind, start, place))
        kind, start = (new, place) if prefix == "B" else ("", 0)
    return found
