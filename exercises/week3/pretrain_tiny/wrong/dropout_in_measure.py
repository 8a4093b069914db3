# caught by: measure
# fast
# patch: Measures in training mode: dropout is on.


@torch.no_grad()
def nats_per_byte(model, tokenizer, text):
    """Return the loss over all tokens of the text together, per byte of its UTF-8.

    Windows as in training: bos and up to BLOCK - 1 tokens, the last one may be shorter. Every
    token is predicted once.
    """
    ids = tokenizer.encode(text).ids
    bos, total = tokenizer.token_to_id(BOS), 0.0
    for start in range(0, len(ids), BLOCK - 1):
        window = torch.tensor([[bos, *ids[start : start + BLOCK - 1]]])
        total += block_loss(model, window).item() * (window.shape[1] - 1)
    return total / len(text.encode())


if __name__ == "__main__":
    pass  # a run could add nothing
