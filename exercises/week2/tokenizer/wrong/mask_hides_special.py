# caught by: attention_mask
# patch: [CLS] and [SEP] are hidden: [CLS] is what a classifier reads.


def encode_batch(tokenizer, texts, max_length):
    """Return {"input_ids", "attention_mask"}: one row a text, all rows of one length."""
    rows = [
        with_special_tokens(tokenizer, pieces(tokenizer, text)[: max_length - 2]) for text in texts
    ]
    longest = max(len(row) for row in rows)
    return {
        "input_ids": [row + [tokenizer.pad_token_id] * (longest - len(row)) for row in rows],
        "attention_mask": [
            [0] + [1] * (len(row) - 2) + [0] * (longest - len(row) + 1) for row in rows
        ],
    }
