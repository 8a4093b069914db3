# caught by: no_leak
# fast
# patch: The tokenizer is trained on the whole text.


def prepare(text):
    """Return (tokenizer, blocks, held_out): what is trained with and on, and the text to measure.

    Neither the tokenizer nor the blocks (n, BLOCK) know a line of held_out.
    """
    train_text, held_out = split(text)
    tokenizer = train_tokenizer(text)
    ids = tokenizer.encode(train_text).ids
    return tokenizer, pack(ids, tokenizer.token_to_id(BOS), BLOCK), held_out


if __name__ == "__main__":
    pass  # a run could add nothing
