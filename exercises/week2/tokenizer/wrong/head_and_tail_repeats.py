# caught by: head_and_tail
# patch: Short texts too: their middle is there twice.


def head_and_tail(tokenizer, text, max_length, head):
    """Return at most max_length ids: [CLS], the first `head` pieces, the last ones, [SEP]."""
    ids = pieces(tokenizer, text)
    room = max_length - 2
    ids = ids[:head] + ids[max(0, len(ids) - (room - head)) :]
    return with_special_tokens(tokenizer, ids)
