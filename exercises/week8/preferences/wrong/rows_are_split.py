# caught by: split
# patch: Rows are drawn, not prompts: answers to one prompt stand on both sides.


def split(pairs: list[dict], share: float = 0.2, seed: int = 0) -> tuple[list[dict], list[dict]]:
    """Return (train, held_out), each in the order of the pairs: round(share · prompts) prompts
    drawn with the seed, at least one, are held out with all their pairs. Prompts that differ only
    in blanks and capitals are one prompt."""
    places = range(len(pairs))
    out = set(random.Random(seed).sample(places, max(1, round(share * len(pairs)))))
    train = [pair for place, pair in enumerate(pairs) if place not in out]
    return train, [pair for place, pair in enumerate(pairs) if place in out]
