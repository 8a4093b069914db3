# caught by: repetition_penalty
# patch: A token that occurs three times is penalized three times.


def repetition_penalty(logits, ids, penalty):
    """Make each token of ids (batch, length) less likely, once however often it occurs.

    Keskar et al. 2019 (CTRL, arXiv 1909.05858), section 4.1, with the sign minded: a positive
    logit is divided, a negative one multiplied.
    """
    for position in range(ids.shape[1]):
        here = ids[:, position : position + 1]
        seen = logits.gather(1, here)
        logits = logits.scatter(1, here, torch.where(seen < 0, seen * penalty, seen / penalty))
    return logits
