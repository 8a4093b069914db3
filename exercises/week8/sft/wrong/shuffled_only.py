# caught by: noise
# fast
# patch: Shuffled outputs: some answers stay where they are, none is cut.


def make_noisy(rows, share, seed):
    """Return new rows, round(share * len(rows)) of them with a spoiled output.

    Which ones: drawn by random.Random(seed). One half of those drawn (rounded down) keep only the
    first half of their words; the others pass their outputs around, so that none keeps its own.
    """
    chosen = random.Random(seed).sample(range(len(rows)), round(share * len(rows)))
    cut, passed = [], chosen
    noisy = [dict(row) for row in rows]
    for n in cut:
        words = rows[n]["output"].split()
        noisy[n]["output"] = " ".join(words[: len(words) // 2])
    for n, other in zip(passed, sorted(passed), strict=True):
        noisy[n]["output"] = rows[other]["output"]
    return noisy


if __name__ == "__main__":
    pass  # a run could add nothing
