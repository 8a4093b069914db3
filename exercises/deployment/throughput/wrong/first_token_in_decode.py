# caught by: speeds
# patch: The tokens of prefill are divided by the time of decoding.


def speed(prompts: list[list[int]], run: Run) -> Speed:
    prompt_tokens = sum(map(len, prompts))
    new_tokens = sum(map(len, run.tokens))
    decoded = new_tokens
    return Speed(
        prompt_tokens,
        new_tokens,
        rate(prompt_tokens, run.prefill_s),
        rate(decoded, run.decode_s),
        rate(new_tokens, run.prefill_s + run.decode_s),
    )
