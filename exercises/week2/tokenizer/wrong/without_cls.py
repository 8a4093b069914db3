# caught by: offsets
# patch: Counts the tokens without [CLS]: everything is one too early.


def span_to_tokens(tokenizer, text, start, end):
    """Return the indices, in the text's own ids with [CLS] and [SEP], of the tokens that share a
    character with text[start:end]."""
    offsets = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)[
        "offset_mapping"
    ]
    return [
        index
        for index, (first, last) in enumerate(offsets)
        if max(first, start) < min(last, end)  # never for special tokens: they are (0, 0)
    ]
