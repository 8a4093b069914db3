# caught by: scores_entities
# patch: The spans of all sentences in one set: the same place in another sentence counts as right.


def entity_f1(gold: list[list[str]], predicted: list[list[str]]) -> tuple[float, float, float]:
    """Return precision, recall and F1 over the entities of all sentences together (micro average).

    An entity is right if its sentence, its type and both ends are. A ratio of 0 / 0 is 0.
    """
    true = {span for tags in gold for span in spans(tags)}
    guessed = {span for tags in predicted for span in spans(tags)}
    right, predictions, truths = len(true & guessed), len(guessed), len(true)
    precision = right / predictions if predictions else 0.0
    recall = right / truths if truths else 0.0
    f1 = 2 * right / (predictions + truths) if predictions + truths else 0.0
    return precision, recall, f1
