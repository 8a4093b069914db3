# caught by: batches
# patch: Results come in the order in which the batches were made.


def generate_all(model, prompts, size, max_new_tokens, eos_id, pad_id=0) -> list[list[int]]:
    """Continue any number of prompts in the batches of `plan`; return the new ids of each, in the
    order of the prompts."""
    results: list[list[int]] = []
    for batch in plan([len(prompt) for prompt in prompts], size):
        chosen = [prompts[index] for index in batch]
        run = generate(model, chosen, max_new_tokens, eos_id, pad_id)
        results += run.tokens
    return results
