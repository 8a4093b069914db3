# caught by: sentence_embeddings
# patch: The mean over the whole width of the batch, padding included.


def sentence_embeddings(model, tokenizer, texts: list[str]) -> torch.Tensor:
    """Return one vector of length 1 for each text: (N, d).

    As sentence-transformers makes them with this encoder: the mean of the last hidden state over
    all real tokens ([CLS] and [SEP] among them, padding not), then scaled to length 1.
    """
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**batch).last_hidden_state  # (N, T, d)
    mean = hidden.mean(dim=1)
    return torch.nn.functional.normalize(mean, dim=-1)
