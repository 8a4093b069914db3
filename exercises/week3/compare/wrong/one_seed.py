# caught by: compare
# patch: Uses the first seed only: one throw of the dice.


def compare(model, prompts, strategies, max_new_tokens, seeds):
    """Return one row (dict of COLUMNS) for each strategy, in order.

    prompts: lists of ids. Each strategy continues each prompt once for each seed. distinct_n and
    repetition are means over the continuations; perplexity is over all their tokens together.
    """
    rows = []
    for name, settings in strategies.items():
        texts = [
            (prompt, continuation(model, prompt, settings, max_new_tokens, seed))
            for prompt in prompts
            for seed in seeds[:1]
        ]
        losses = torch.cat([token_losses(model, prompt, new) for prompt, new in texts])
        rows.append(
            {
                "strategy": name,
                "distinct_1": mean(distinct_n(new, 1) for _, new in texts),
                "distinct_2": mean(distinct_n(new, 2) for _, new in texts),
                "repetition_4": mean(repetition_rate(prompt, new, 4) for prompt, new in texts),
                "perplexity": math.exp(losses.mean().item()),
            }
        )
    return rows
