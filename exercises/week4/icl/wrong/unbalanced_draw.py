# caught by: draw
# patch: Samples k items of all: balanced on average only.


def draw_shots(train: Sequence[Item], k: int, seed: int) -> list[Item]:
    """Return k different items in random order, the same for the same seed; the numbers of the
    two classes differ by one at most (for an odd k, which class has more is random too)."""
    rng = random.Random(seed)
    shots = rng.sample(list(train), k)
    rng.shuffle(shots)
    return shots
