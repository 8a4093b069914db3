# caught by: head_and_tail
# patch: Where no room is left for the tail, ids[-0:] is everything.


def head_and_tail(tokenizer, text, max_length, head):
    """Return at most max_length ids: [CLS], the first `head` pieces, the last ones, [SEP]."""
    ids = pieces(tokenizer, text)
    room = max_length - 2
    if len(ids) > room:
        ids = ids[:head] + ids[-(room - head) :]
    return with_special_tokens(tokenizer, ids)
