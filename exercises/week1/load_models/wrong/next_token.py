# caught by: previous_token_head
# patch: Rows and columns mistaken: above the diagonal is the next token.


def previous_token_head(maps: torch.Tensor) -> tuple[int, int, float]:
    """Return (layer, head, weight) of the head that looks most at the previous token.

    weight: the mean, over the tokens 1 to T - 1, of the attention on the token before.
    """
    weights = maps.diagonal(offset=1, dim1=-2, dim2=-1).mean(dim=-1)  # (layers, heads)
    layer, head = divmod(weights.argmax().item(), weights.shape[1])
    return layer, head, weights[layer, head].item()
