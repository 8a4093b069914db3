# caught by: dynamic_padding
# patch: Padding in front, as for generation.


def encode_batch(tokenizer, texts, max_length):
    """Return {"input_ids", "attention_mask"}: one row a text, all rows of one length."""
    rows = [
        with_special_tokens(tokenizer, pieces(tokenizer, text)[: max_length - 2]) for text in texts
    ]
    longest = max(len(row) for row in rows)
    return {
        "input_ids": [[tokenizer.pad_token_id] * (longest - len(row)) + row for row in rows],
        "attention_mask": [[0] * (longest - len(row)) + [1] * len(row) for row in rows],
    }
