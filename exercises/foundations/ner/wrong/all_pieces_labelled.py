# caught by: first_pieces
# patch: Every piece of a word gets its label: long words count more, and B- is repeated.


def align(
    tokenizer: PreTrainedTokenizerBase, words: list[str], tags: list[str]
) -> dict[str, list[int]]:
    """Return input_ids, attention_mask and labels of one sentence, [CLS] and [SEP] included.

    The first piece of a word has the word's label (its tag's place in LABELS); all other pieces
    and the special tokens have IGNORED.
    """
    encoding = tokenizer(words, is_split_into_words=True, truncation=True)
    labels = []
    for word in encoding.word_ids():  # None for a special token
        first = word is not None
        labels.append(LABELS.index(tags[word]) if first else IGNORED)
    return {
        "input_ids": encoding["input_ids"],
        "attention_mask": encoding["attention_mask"],
        "labels": labels,
    }
