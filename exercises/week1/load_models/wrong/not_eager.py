# caught by: attention_maps
# patch: The fused kernel gives an empty list of attentions.


def attention_maps(model, tokenizer, text: str) -> torch.Tensor:
    """Return the attention weights of one text: (layers, heads, T, T); a row is a query."""
    with torch.no_grad():
        output = model(**tokenizer(text, return_tensors="pt"), output_attentions=True)
    return torch.cat(output.attentions)  # each layer's is (1, heads, T, T)
