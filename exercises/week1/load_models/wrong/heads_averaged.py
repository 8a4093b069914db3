# caught by: attention_maps
# patch: One map a layer: the mean over the heads is no head.


def attention_maps(model, tokenizer, text: str) -> torch.Tensor:
    """Return the attention weights of one text: (layers, heads, T, T); a row is a query."""
    model.set_attn_implementation("eager")  # the fused kernels never form the weights
    with torch.no_grad():
        output = model(**tokenizer(text, return_tensors="pt"), output_attentions=True)
    return torch.stack(output.attentions).mean(dim=2)
