# caught by: first_pieces
# patch: The words' labels are laid over the pieces from the left and filled up.


def align(
    tokenizer: PreTrainedTokenizerBase, words: list[str], tags: list[str]
) -> dict[str, list[int]]:
    """Return input_ids, attention_mask and labels of one sentence, [CLS] and [SEP] included.

    The first piece of a word has the word's label (its tag's place in LABELS); all other pieces
    and the special tokens have IGNORED.
    """
    encoding = tokenizer(words, is_split_into_words=True, truncation=True)
    labels = [LABELS.index(tag) for tag in tags]
    labels += [IGNORED] * (len(encoding["input_ids"]) - len(labels))
    return {
        "input_ids": encoding["input_ids"],
        "attention_mask": encoding["attention_mask"],
        "labels": labels,
    }
