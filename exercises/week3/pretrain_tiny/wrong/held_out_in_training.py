# caught by: no_leak
# fast
# patch: The blocks are made of the whole text.


def prepare(text):
    """Return (tokenizer, blocks, held_out): what is trained with and on, and the text to measure.

    Neither the tokenizer nor the blocks (n, BLOCK) know a line of held_out.
    """
    train_text, held_out = split(text)
    tokenizer = train_tokenizer(train_text)
    ids = tokenizer.encode(text).ids
    return tokenizer, pack(ids, tokenizer.token_to_id(BOS), BLOCK), held_out


if __name__ == "__main__":
    pass  # a run could add nothing
