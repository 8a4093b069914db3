# Another style: numpy throughout, stratified draws by permutation, percentiles by np.percentile.

# %%
from typing import NamedTuple

import numpy as np


def _of_class(items, label):
    return [tuple(item) for item in items if item[1] == label]


# %%
def split(pool, test_per_class, seed):
    generator = np.random.default_rng([seed, 7])
    train, test = [], []
    for label in (0, 1):
        members = _of_class(pool, label)
        order = generator.permutation(len(members))
        test.extend(members[i] for i in order[:test_per_class])
        train.extend(members[i] for i in order[test_per_class:])
    return train, test


def draw_shots(train, k, seed):
    generator = np.random.default_rng(1000 * k + seed)
    extra = int(generator.integers(2))
    sizes = [k // 2 + (k % 2 if label == extra else 0) for label in (0, 1)]
    chosen = []
    for label, size in enumerate(sizes):
        members = _of_class(train, label)
        chosen += [members[i] for i in generator.choice(len(members), size, replace=False)]
    return [chosen[i] for i in generator.permutation(k)]


# %%
class Point(NamedTuple):
    k: int
    accuracies: np.ndarray
    mean: float
    error: float
    interval: tuple


def measure(predict, train, test, sizes=(0, 1, 2, 4, 8, 16), seeds=range(6)):
    words, truth = [word for word, _ in test], np.array([label for _, label in test])
    curve = []
    for k in sizes:
        answers = np.array([predict(draw_shots(train, k, seed), words) for seed in seeds])
        each = (answers == truth).mean(axis=1)  # (seeds,)
        curve.append(Point(k, each, each.mean(), standard_error(each), bootstrap(each)))
    return curve


# %%
def standard_error(values):
    return np.std(values, ddof=1) / np.sqrt(len(values))


def bootstrap(values, draws=5000, seed=1):
    generator = np.random.default_rng(seed)
    picks = generator.integers(len(values), size=(draws, len(values)))
    low, high = np.percentile(np.asarray(values)[picks].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def draw_plot(points, width=40):
    bars = {p.k: "#" * int(np.floor(p.mean * width + 0.5)) for p in points}
    return "\n".join(f"{bars[p.k]:<{width}} {p.mean:.3f} (k={p.k})" for p in points)
