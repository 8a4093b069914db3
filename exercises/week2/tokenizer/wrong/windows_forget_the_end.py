# caught by: windows
# patch: Whole windows only: the rest of the text is lost.


def windows(tokenizer, text, max_length, stride):
    """Return the rows of ids that cover the text: each at most max_length long with [CLS] and
    [SEP], each beginning with the last `stride` pieces of the one before."""
    ids = pieces(tokenizer, text)
    room = max_length - 2
    rows, start = [ids[:room]], 0
    while start + 2 * room - stride <= len(ids):
        start += room - stride
        rows.append(ids[start : start + room])
    return [with_special_tokens(tokenizer, row) for row in rows]
