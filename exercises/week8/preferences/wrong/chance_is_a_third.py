# caught by: agreement
# patch: Three labels, so chance agrees in a third: true only of who uses them equally often.


def agreement(rows: list[dict]) -> dict:
    """Return {"pairs", "raw", "kappa"}: how the first two judgements of the same pair agree."""
    judged_alike: dict[tuple, list[dict]] = {}
    for row in rows:
        judged_alike.setdefault(pair_of(row), []).append(row)
    twice = [(a[0], a[1]) for a in judged_alike.values() if len(a) > 1]
    n = len(twice)
    if n == 0:
        return {"pairs": 0, "raw": None, "kappa": None}
    raw = sum(one["choice"] == as_seen_in(one, two) for one, two in twice) / n
    return {"pairs": n, "raw": raw, "kappa": (raw - 1 / 3) / (1 - 1 / 3)}
