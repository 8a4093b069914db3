# caught by: temperature
# patch: No check: a temperature of 0 gives infinities and, later, NaN.


def apply_temperature(logits, temperature):
    """Divide by the temperature. (batch, vocab) -> (batch, vocab).

    Raises ValueError where it is not above 0: the limit towards 0 is `greedy`.
    """
    return logits / temperature
