# caught by: split
# patch: Takes the first items of the shuffled pool, whatever their class.


def split(pool: Sequence[Item], test_per_class: int, seed: int) -> tuple[list[Item], list[Item]]:
    """Return (train, test): test has test_per_class items of each class, train all the others."""
    rng = random.Random(seed)
    shuffled = rng.sample(list(pool), len(pool))
    test = shuffled[: 2 * test_per_class]
    return [item for item in shuffled if item not in test], test
