# caught by: left_padding
# patch: No batch at all: the prompts one after another.


def greedy_batch(model, tokenizer, prompts: list[str], max_new_tokens: int) -> list[list[int]]:
    """Return for each prompt the ids that `greedy` would append to it, all rows in one batch.

    A row ends with tokenizer.eos_token_id, as with `greedy`. Positions: the models here take
    position_ids beside input_ids and attention_mask.
    """
    eos = tokenizer.eos_token_id
    return [greedy(model, tokenizer(p)["input_ids"], max_new_tokens, eos) for p in prompts]
