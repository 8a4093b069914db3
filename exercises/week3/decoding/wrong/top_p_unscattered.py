# caught by: top_p
# patch: The mask is in the order of the sort, the logits are in the vocabulary's.


def top_p(logits, p):
    """Keep the smallest set of best tokens whose probabilities reach p; at least one.

    Holtzman et al. 2020 (arXiv 1904.09751), section 3.1.
    """
    if p >= 1:
        return logits  # a sum of float32 may reach 1 before the tail begins
    ranked = logits.sort(dim=-1, descending=True).values
    probabilities = ranked.softmax(dim=-1)
    before = probabilities.cumsum(dim=-1) - probabilities  # the mass in front of each token
    cut = before >= p
    cut[:, 0] = False
    return logits.masked_fill(cut, -torch.inf)
