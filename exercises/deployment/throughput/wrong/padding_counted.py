# caught by: counts
# patch: Prompts are counted as the tensor's size.


def speed(prompts: list[list[int]], run: Run) -> Speed:
    prompt_tokens = len(prompts) * max(map(len, prompts))
    new_tokens = sum(map(len, run.tokens))
    decoded = new_tokens - len(prompts)
    return Speed(
        prompt_tokens,
        new_tokens,
        rate(prompt_tokens, run.prefill_s),
        rate(decoded, run.decode_s),
        rate(new_tokens, run.prefill_s + run.decode_s),
    )
