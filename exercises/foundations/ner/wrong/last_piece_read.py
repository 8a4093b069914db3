# caught by: one_tag_a_word
# patch: The tag of a word's last piece, which was never taught.


def predict(model: nn.Module, tokenizer: PreTrainedTokenizerBase, words: list[str]) -> list[str]:
    """Return one tag for each word: that of its first piece, in evaluation mode."""
    encoding = tokenizer(words, is_split_into_words=True, return_tensors="pt")
    model.eval()
    with torch.no_grad():
        best = model(**encoding).logits[0].argmax(dim=-1).tolist()
    pieces = encoding.word_ids()
    return [LABELS[best[len(pieces) - 1 - pieces[::-1].index(word)]] for word in range(len(words))]
