# caught by: scores_entities
# patch: The arithmetic mean of precision and recall.


def entity_f1(gold: list[list[str]], predicted: list[list[str]]) -> tuple[float, float, float]:
    """Return precision, recall and F1 over the entities of all sentences together (micro average).

    An entity is right if its sentence, its type and both ends are. A ratio of 0 / 0 is 0.
    """
    right = predictions = truths = 0
    for tags, guesses in zip(gold, predicted, strict=True):
        true, guessed = spans(tags), spans(guesses)
        right += len(true & guessed)
        predictions += len(guessed)
        truths += len(true)
    precision = right / predictions if predictions else 0.0
    recall = right / truths if truths else 0.0
    f1 = (precision + recall) / 2
    return precision, recall, f1
