# caught by: model
# fast
# patch: No seed: nobody can make the model again.


def build_model(vocab_size):
    """Return a fresh GPT-2 of 0.1 to 1.5 million parameters, the same on every call."""
    config = GPT2Config(
        vocab_size=vocab_size,
        n_positions=BLOCK,
        n_embd=96,
        n_layer=2,
        n_head=4,
        # Eleven epochs of a small model: it learns too little to need dropout.
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=0,
        eos_token_id=0,
    )
    return GPT2LMHeadModel(config)


if __name__ == "__main__":
    pass  # a run could add nothing
