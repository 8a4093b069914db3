# caught by: one_tag_a_word
# patch: Predicted in training mode.


def predict(model: nn.Module, tokenizer: PreTrainedTokenizerBase, words: list[str]) -> list[str]:
    """Return one tag for each word: that of its first piece, in evaluation mode."""
    encoding = tokenizer(words, is_split_into_words=True, return_tensors="pt")
    with torch.no_grad():
        best = model(**encoding).logits[0].argmax(dim=-1).tolist()
    pieces = encoding.word_ids()
    return [LABELS[best[pieces.index(word)]] for word in range(len(words))]
