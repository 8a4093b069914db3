# caught by: embed
# patch: Inner products of vectors that are not of length 1: long ones win.


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
        mask = batch["attention_mask"].unsqueeze(-1)  # (batch, tokens, 1)
        pooled = (hidden * mask).sum(1) / mask.sum(1)
        rows.append(pooled)
    return torch.cat(rows).numpy()
