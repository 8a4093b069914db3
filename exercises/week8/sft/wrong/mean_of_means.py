# caught by: measure
# fast
# patch: The mean of the rows' means: short answers count more.


@torch.no_grad()
def held_out_loss(model, tokenizer, rows):
    """Return the mean over all completion tokens of all rows together."""
    model.eval()
    total, tokens = 0.0, 0
    for row in rows:
        text = format_row(row)
        given = tokenizer(text["prompt"], add_special_tokens=False)["input_ids"]
        learned = tokenizer(text["completion"] + tokenizer.eos_token, add_special_tokens=False)
        targets = torch.tensor(learned["input_ids"])
        ids = torch.cat([torch.tensor(given), targets])[None]
        logits = model(input_ids=ids).logits[0, len(given) - 1 : -1]  # (t, V)
        total += torch.nn.functional.cross_entropy(logits.float(), targets, reduction="mean").item()
        tokens += 1
    return total / tokens


if __name__ == "__main__":
    pass  # a run could add nothing
