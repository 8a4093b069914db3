# caught by: budget
# patch: Counts the bodies; what goes into the prompt has titles and headings too.


def within_budget(ranked, budget):
    """Return the chunks that fit into a prompt, best first: up to the first whose text would take
    the sum of tokens over the budget."""
    kept, used = [], 0
    for chunk in ranked:
        used += corpus.count_tokens(chunk.body)
        if used > budget:
            break
        kept.append(chunk)
    return kept
