# caught by: top_p
# patch: p = 1 goes through the sum, which reaches 1 in float32 before the tail.


def top_p(logits, p):
    """Keep the smallest set of best tokens whose probabilities reach p; at least one.

    Holtzman et al. 2020 (arXiv 1904.09751), section 3.1.
    """
    ranked, order = logits.sort(dim=-1, descending=True)
    probabilities = ranked.softmax(dim=-1)
    before = probabilities.cumsum(dim=-1) - probabilities  # the mass in front of each token
    cut = before >= p
    cut[:, 0] = False
    return logits.masked_fill(cut.scatter(1, order, cut), -torch.inf)  # back in vocabulary order
