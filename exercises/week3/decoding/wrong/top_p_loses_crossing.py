# caught by: top_p
# patch: The token that takes the sum over p is cut too.


def top_p(logits, p):
    """Keep the smallest set of best tokens whose probabilities reach p; at least one.

    Holtzman et al. 2020 (arXiv 1904.09751), section 3.1.
    """
    if p >= 1:
        return logits  # a sum of float32 may reach 1 before the tail begins
    ranked, order = logits.sort(dim=-1, descending=True)
    probabilities = ranked.softmax(dim=-1)
    cut = probabilities.cumsum(dim=-1) > p
    cut[:, 0] = False
    return logits.masked_fill(cut.scatter(1, order, cut), -torch.inf)  # back in vocabulary order
