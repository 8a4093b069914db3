# caught by: sliding_window
# patch: Scores every token of every window, the context too.


def perplexity(model, ids: list[int], window: int, stride: int) -> float:
    """Return exp(mean negative log-probability) over the tokens 1 … T - 1 of a text of any length.

    Windows of at most `window` tokens begin at 0, stride, 2 stride, … (stride < window), until
    one reaches the end. Each window scores the tokens that none before it has scored, and uses
    its others as context.
    """
    total, scored = 0.0, 0
    for begin in range(0, len(ids), stride):
        end = min(begin + window, len(ids))
        log_probs = token_log_probs(model, ids[begin:end])
        total -= log_probs.sum().item()
        scored += len(log_probs)
        if end == len(ids):
            break
    return math.exp(total / scored)
