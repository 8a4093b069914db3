# caught by: embed
# patch: The mean runs over padding too: a text's vector depends on its neighbours.


@torch.no_grad()
def embed(texts, model, tokenizer, batch_size=32):
    """Return the texts' vectors in the order of the texts: float32 (n, d), each of length 1.

    A text's vector is the mean over its tokens ([CLS] and [SEP] too), whatever texts share its
    batch. Texts are cut at MOST_TOKENS.
    """
    rows = []
    for start in range(0, len(texts), batch_size):
        batch = tokenizer(
            list(texts[start : start + batch_size]),
            padding=True,
            truncation=True,
            max_length=MOST_TOKENS,
            return_tensors="pt",
        )
        hidden = model(**batch).last_hidden_state  # (batch, tokens, d)
        pooled = hidden.mean(1)
        rows.append(torch.nn.functional.normalize(pooled, dim=-1))
    return torch.cat(rows).numpy()
