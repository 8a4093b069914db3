# caught by: first_pieces
# patch: [CLS] and [SEP] are taught to be O.


def align(
    tokenizer: PreTrainedTokenizerBase, words: list[str], tags: list[str]
) -> dict[str, list[int]]:
    """Return input_ids, attention_mask and labels of one sentence, [CLS] and [SEP] included.

    The first piece of a word has the word's label (its tag's place in LABELS); all other pieces
    and the special tokens have IGNORED.
    """
    encoding = tokenizer(words, is_split_into_words=True, truncation=True)
    labels, previous = [], None
    for word in encoding.word_ids():  # None for a special token
        tag = "O" if word is None else tags[word]
        first = word is None or word != previous
        labels.append(LABELS.index(tag) if first else IGNORED)
        previous = word
    return {
        "input_ids": encoding["input_ids"],
        "attention_mask": encoding["attention_mask"],
        "labels": labels,
    }
