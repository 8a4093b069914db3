# caught by: draw
# patch: With an odd k, class 0 always has the more shots.


def draw_shots(train: Sequence[Item], k: int, seed: int) -> list[Item]:
    """Return k different items in random order, the same for the same seed; the numbers of the
    two classes differ by one at most (for an odd k, which class has more is random too)."""
    rng = random.Random(seed)
    classes = [rng.sample([x for x in train if x[1] == c], (k + 1) // 2) for c in (0, 1)]
    shots = classes[0] + classes[1][: k // 2]
    rng.shuffle(shots)
    return shots
