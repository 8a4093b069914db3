# caught by: word_labels
# patch: A long word counts as often as it has pieces.


def align_labels(tokenizer, words, labels):
    """Return one label a token, [CLS] and [SEP] included: a word's label on its first token,
    IGNORED on the others."""
    word_ids = tokenizer(words, is_split_into_words=True).word_ids()
    aligned = []
    for word in word_ids:
        aligned.append(IGNORED if word is None else labels[word])
    return aligned
