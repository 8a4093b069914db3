# caught by: tokenizer
# fast
# patch: No byte-level decoder: the bytes' stand-in letters stay in the text.


def train_tokenizer(text):
    """Return a byte-level BPE tokenizer of at most VOCAB entries; BOS has id 0.

    All 256 bytes are in the alphabet, so every text comes back from its ids as it was.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB,
        special_tokens=[BOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(text.splitlines(keepends=True), trainer)
    return tokenizer


if __name__ == "__main__":
    pass  # a run could add nothing
