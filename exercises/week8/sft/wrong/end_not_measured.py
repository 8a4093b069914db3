# caught by: measure
# fast
# patch: The end token is not measured: whether a model can stop does not show.


@torch.no_grad()
def held_out_loss(model, tokenizer, rows):
    """Return the mean over all completion tokens of all rows together."""
    model.eval()
    total, tokens = 0.0, 0
    for row in rows:
        text = format_row(row)
        given = tokenizer(text["prompt"], add_special_tokens=False)["input_ids"]
        learned = tokenizer(text["completion"], add_special_tokens=False)
        targets = torch.tensor(learned["input_ids"])
        ids = torch.cat([torch.tensor(given), targets])[None]
        logits = model(input_ids=ids).logits[0, len(given) - 1 : -1]  # (t, V)
        total += torch.nn.functional.cross_entropy(logits.float(), targets, reduction="sum").item()
        tokens += len(targets)
    return total / tokens


if __name__ == "__main__":
    pass  # a run could add nothing
