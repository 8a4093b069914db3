# caught by: measure
# patch: Every repetition draws the same shots: the error is zero and means nothing.


def measure(
    predict: Predict,
    train: Sequence[Item],
    test: Sequence[Item],
    sizes: Sequence[int] = (0, 1, 2, 4, 8, 16),
    seeds: Sequence[int] = (0, 1, 2, 3, 4, 5),
) -> list[Point]:
    """Return a point for each size: every seed draws its own shots, all meet the same test."""
    words = [word for word, _ in test]
    points = []
    for k in sizes:
        accuracies = []
        for _ in seeds:
            found = predict(draw_shots(train, k, seeds[0]), words)
            right = sum(f == label for f, (_, label) in zip(found, test, strict=True))
            accuracies.append(right / len(test))
        mean, error = statistics.mean(accuracies), standard_error(accuracies)
        points.append(Point(k, accuracies, mean, error, bootstrap(accuracies)))
    return points
