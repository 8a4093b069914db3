# caught by: implicit_rewards
# fast
# patch: The prompt's tokens are summed too.


@torch.no_grad()
def answer_log_probs(model, tokenizer, rows, answer):
    """Return (n,): log-probability in nats of row[answer] and its end token."""
    model.eval()
    sums = []
    for row in rows:
        user = [{"role": "user", "content": row["prompt"]}]
        prompt = tokenizer.apply_chat_template(user, tokenize=False, add_generation_prompt=True)
        given = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        text = row[answer] + tokenizer.eos_token
        ids = torch.tensor([given + tokenizer(text, add_special_tokens=False)["input_ids"]])
        logits = model(input_ids=ids.to(model.device)).logits[0, :-1].float().cpu()
        targets = ids[0, 1:]
        sums.append(-torch.nn.functional.cross_entropy(logits, targets, reduction="sum"))
    return torch.stack(sums)


if __name__ == "__main__":
    pass  # a run could add nothing
