# caught by: repetition_rate
# patch: Counts every n-gram that occurs more than once, its first time too.


def repetition_rate(prompt_ids, new_ids, n):
    """Return the share of the continuation's n-grams that stood earlier in prompt + continuation.

    Counted are the n-grams that lie wholly in new_ids; 0.0 where there is none.
    """
    grams = ngrams(prompt_ids + new_ids, n)
    repeated = sum(grams.count(gram) > 1 for gram in grams[len(prompt_ids) :])
    count = max(0, len(new_ids) - n + 1)
    return repeated / count if count else 0.0
