# caught by: budget
# patch: Skips what does not fit and goes on with shorter ones of lower rank.


def within_budget(ranked, budget):
    """Return the chunks that fit into a prompt, best first: up to the first whose text would take
    the sum of tokens over the budget."""
    kept, used = [], 0
    for chunk in ranked:
        length = corpus.count_tokens(chunk.text)
        if used + length <= budget:
            used += length
            kept.append(chunk)
    return kept
