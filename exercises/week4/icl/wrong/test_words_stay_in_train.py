# caught by: split
# patch: Forgets to take the test items out of the training part.


def split(pool: Sequence[Item], test_per_class: int, seed: int) -> tuple[list[Item], list[Item]]:
    """Return (train, test): test has test_per_class items of each class, train all the others."""
    rng = random.Random(seed)
    shuffled = rng.sample(list(pool), len(pool))
    test: list[Item] = []
    for label in sorted({label for _, label in pool}):
        test += [item for item in shuffled if item[1] == label][:test_per_class]
    return shuffled, test
