# caught by: order
# patch: Cuts first and temperature last, as llama.cpp does and transformers does not.


def process(logits, ids, temperature=1.0, k=0, p=1.0, penalty=1.0):
    """Apply all four in the order of transformers' generate. k = 0: no top-k."""
    if penalty != 1.0:
        logits = repetition_penalty(logits, ids, penalty)
    if k > 0:
        logits = top_k(logits, k)
    return apply_temperature(top_p(logits, p), temperature)
