# caught by: count
# patch: A state dict holds a tied matrix under both of its names.


def count(model) -> tuple[int, int]:
    """Return (all parameters, those of the table of tokens); a shared matrix counts once."""
    total = sum(tensor.numel() for tensor in model.state_dict().values())
    return total, model.get_input_embeddings().weight.numel()
