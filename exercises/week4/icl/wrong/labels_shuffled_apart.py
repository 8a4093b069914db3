# caught by: curve
# patch: Shuffles words and labels each for themselves: the shots teach nothing.


def draw_shots(train: Sequence[Item], k: int, seed: int) -> list[Item]:
    """Return k different items in random order, the same for the same seed; the numbers of the
    two classes differ by one at most (for an odd k, which class has more is random too)."""
    rng = random.Random(seed)
    classes = [rng.sample([x for x in train if x[1] == c], (k + 1) // 2) for c in (0, 1)]
    rng.shuffle(classes)
    shots = classes[0] + classes[1][: k // 2]
    words, labels = [w for w, _ in shots], [c for _, c in shots]
    rng.shuffle(words)
    rng.shuffle(labels)
    return list(zip(words, labels, strict=True))
