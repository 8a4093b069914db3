# caught by: max_tokens
# patch: As with max_length: the prompt's tokens are counted in.


@torch.inference_mode()
def stream(model, tokenizer, messages: list[dict], temperature: float, max_tokens: int):
    """Yield the answer to the messages in pieces of text, of at most max_tokens tokens in all."""
    ids = encode(tokenizer, messages)
    cache, answer, shown = None, [], ""
    for _ in range(max_tokens - len(ids)):
        fed = torch.tensor([ids], device=model.device)  # (1, prompt), then (1, 1)
        out = model(input_ids=fed, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        token = choose(out.logits[0, -1], temperature)
        if token == tokenizer.eos_token_id:
            return
        answer.append(token)
        ids = [token]
        text = tokenizer.decode(answer, skip_special_tokens=True)
        if not text.endswith("\ufffd"):  # a character may be several tokens: wait for the rest
            yield text[len(shown) :]
            shown = text
