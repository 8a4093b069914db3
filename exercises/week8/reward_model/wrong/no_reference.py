# caught by: implicit_rewards
# fast
# patch: The policy's log-probability alone: a fluent wrong answer gets the higher reward.


def implicit_rewards(model, tokenizer, rows, beta):
    """Return (chosen, rejected), each (n,): β · (log π - log π_ref).

    model: a PeftModel; without its adapter it is the reference.
    """
    rewards = []
    for answer in ("chosen", "rejected"):
        policy = answer_log_probs(model, tokenizer, rows, answer)
        rewards.append(beta * policy)
    return tuple(rewards)


if __name__ == "__main__":
    pass  # a run could add nothing
