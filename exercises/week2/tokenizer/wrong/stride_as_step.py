# caught by: windows
# patch: Takes the stride for the step, as in a convolution.


def windows(tokenizer, text, max_length, stride):
    """Return the rows of ids that cover the text: each at most max_length long with [CLS] and
    [SEP], each beginning with the last `stride` pieces of the one before."""
    ids = pieces(tokenizer, text)
    room = max_length - 2
    rows, start = [ids[:room]], 0
    while start + room < len(ids):
        start += max(stride, 1)
        rows.append(ids[start : start + room])
    return [with_special_tokens(tokenizer, row) for row in rows]
