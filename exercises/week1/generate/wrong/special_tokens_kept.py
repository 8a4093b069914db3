# caught by: answer
# patch: The end-of-turn token stands in the text.


def answer(model, tokenizer, question: str, max_new_tokens: int = 60) -> str:
    """Return the model's greedy answer as text, without the prompt and special tokens."""
    new = greedy_cached(
        model, chat_ids(tokenizer, question), max_new_tokens, tokenizer.eos_token_id
    )
    return tokenizer.decode(new)
