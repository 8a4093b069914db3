# caught by: repetition_penalty
# patch: The sign trap: dividing a negative logit makes its token likelier.


def repetition_penalty(logits, ids, penalty):
    """Make each token of ids (batch, length) less likely, once however often it occurs.

    Keskar et al. 2019 (CTRL, arXiv 1909.05858), section 4.1, with the sign minded: a positive
    logit is divided, a negative one multiplied.
    """
    seen = logits.gather(1, ids)
    # A token that occurs twice is written twice with the same value.
    return logits.scatter(1, ids, seen / penalty)
