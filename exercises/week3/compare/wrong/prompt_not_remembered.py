# caught by: repetition_rate
# patch: What the prompt said is new again when the model repeats it.


def repetition_rate(prompt_ids, new_ids, n):
    """Return the share of the continuation's n-grams that stood earlier in prompt + continuation.

    Counted are the n-grams that lie wholly in new_ids; 0.0 where there is none.
    """
    ids = prompt_ids + new_ids
    seen, repeated = set(), 0
    for start, gram in enumerate(ngrams(ids, n)):
        repeated += start >= len(prompt_ids) and gram in seen
        if start >= len(prompt_ids):
            seen.add(gram)
    count = max(0, len(new_ids) - n + 1)
    return repeated / count if count else 0.0
