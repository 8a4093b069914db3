# caught by: order_effects
# patch: Rotates the shots: n orders of n!.


def order_effects(shots: Sequence[Review], evaluate: Callable[[Sequence[Review]], float]) -> Orders:
    """Evaluate every order of the shots, n! of them, once each."""
    accuracies = [
        evaluate(list(order)) for order in ([*shots[i:], *shots[:i]] for i in range(len(shots)))
    ]
    return Orders(accuracies, sum(accuracies) / len(accuracies), max(accuracies) - min(accuracies))
