# caught by: compare
# patch: Glues the texts together before it counts n-grams: other n-grams, and a lower share.


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
            for seed in seeds
        ]
        losses = torch.cat([token_losses(model, prompt, new) for prompt, new in texts])
        rows.append(
            {
                "strategy": name,
                "distinct_1": distinct_n([x for _, new in texts for x in new], 1),
                "distinct_2": distinct_n([x for _, new in texts for x in new], 2),
                "repetition_4": mean(repetition_rate(prompt, new, 4) for prompt, new in texts),
                "perplexity": math.exp(losses.mean().item()),
            }
        )
    return rows
