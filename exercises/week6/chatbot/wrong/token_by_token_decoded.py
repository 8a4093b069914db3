# caught by: streams
# patch: Each token is decoded by itself: characters of several tokens come out broken.


@torch.inference_mode()
def stream(model, tokenizer, messages: list[dict], temperature: float, max_tokens: int):
    """Yield the answer to the messages in pieces of text, of at most max_tokens tokens in all."""
    ids = encode(tokenizer, messages)
    cache = None
    for _ in range(max_tokens):
        fed = torch.tensor([ids], device=model.device)  # (1, prompt), then (1, 1)
        out = model(input_ids=fed, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        token = choose(out.logits[0, -1], temperature)
        if token == tokenizer.eos_token_id:
            return
        ids = [token]
        yield tokenizer.decode([token], skip_special_tokens=True)
