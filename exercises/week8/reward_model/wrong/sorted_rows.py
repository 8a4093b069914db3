# caught by: answer_states
# fast
# patch: Sorted by length to save padding, and not put back.


@torch.no_grad()
def answer_states(model, tokenizer, rows, answer):
    """Return (n, H) in float32: the state after row["prompt"], in the chat format, row[answer] and
    its end token. No gradient: the trunk is frozen."""
    model.eval()
    texts = []
    for row in rows:
        user = [{"role": "user", "content": row["prompt"]}]
        prompt = tokenizer.apply_chat_template(user, tokenize=False, add_generation_prompt=True)
        texts.append(prompt + row[answer] + tokenizer.eos_token)
    texts.sort(key=len)
    states = []
    for start in range(0, len(texts), BATCH):
        batch = tokenizer(
            texts[start : start + BATCH],
            add_special_tokens=False,
            padding=True,
            return_tensors="pt",
        ).to(model.device)
        states.append(last_states(model.model, batch["input_ids"], batch["attention_mask"]))
    return torch.cat(states).float().cpu()


if __name__ == "__main__":
    pass  # a run could add nothing
