# caught by: word_labels
# patch: Labels by the pieces' place, as if every word were one piece.


def align_labels(tokenizer, words, labels):
    """Return one label a token, [CLS] and [SEP] included: a word's label on its first token,
    IGNORED on the others."""
    word_ids = tokenizer(words, is_split_into_words=True).word_ids()
    aligned = []
    for place, word in enumerate(word_ids):
        known = word is not None and place <= len(labels)
        aligned.append(labels[place - 1] if known else IGNORED)
    return aligned
