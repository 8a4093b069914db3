# caught by: rank
# patch: Ranks count from 0.


def rank(ranked, question):
    """Return the place of the first hit among the ranked chunks, from 1; None without one."""
    return next((n for n, chunk in enumerate(ranked) if is_hit(chunk, question)), None)
