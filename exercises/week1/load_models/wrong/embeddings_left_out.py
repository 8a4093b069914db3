# caught by: shapes
# patch: Takes hidden_states for the blocks only and drops the first.


def shapes(model, tokenizer, texts: list[str]) -> dict[str, tuple[int, ...]]:
    """Run a padded batch and return the shapes of what comes out.

    "input_ids": (B, T). "hidden_states": of all of them stacked, the embeddings' output first:
    (blocks + 1, B, T, d). "logits": (B, T, V), only where the model has an output layer.
    """
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        output = model(**batch, output_hidden_states=True)
    found = {
        "input_ids": tuple(batch["input_ids"].shape),
        "hidden_states": tuple(torch.stack(output.hidden_states[1:]).shape),
    }
    if "logits" in output:
        found["logits"] = tuple(output.logits.shape)
    return found
