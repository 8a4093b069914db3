# caught by: one_tag_a_word
# patch: One tag for each piece instead of each word.


def predict(model: nn.Module, tokenizer: PreTrainedTokenizerBase, words: list[str]) -> list[str]:
    """Return one tag for each word: that of its first piece, in evaluation mode."""
    encoding = tokenizer(words, is_split_into_words=True, return_tensors="pt")
    model.eval()
    with torch.no_grad():
        best = model(**encoding).logits[0].argmax(dim=-1).tolist()
    pieces = encoding.word_ids()
    return [LABELS[i] for i, word in zip(best, pieces, strict=True) if word is not None]
