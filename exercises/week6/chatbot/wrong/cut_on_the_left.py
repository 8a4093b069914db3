# caught by: fits
# patch: The prompt loses its oldest tokens, which are the system prompt's.


@torch.inference_mode()
def stream(model, tokenizer, messages: list[dict], temperature: float, max_tokens: int):
    """Yield the answer to the messages in pieces of text, of at most max_tokens tokens in all."""
    ids = encode(tokenizer, messages)
    ids = ids[-(model.config.max_position_embeddings - max_tokens) :]
    cache, answer, shown = None, [], ""
    for _ in range(max_tokens):
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


def build_app(model, tokenizer) -> gr.Blocks:
    """Return the app; its endpoint is /chat(message, system prompt, temperature, max tokens)."""
    context = model.config.max_position_embeddings

    def chat(message, history, system, temperature, max_tokens) -> Iterator[str]:
        check(message, system, temperature, max_tokens)
        messages = [{"role": "system", "content": system}]
        messages += [{"role": m["role"], "content": as_text(m["content"])} for m in history]
        messages.append({"role": "user", "content": message})
        try:
            fit(tokenizer, messages[-1:], context - int(max_tokens))
        except ValueError as error:
            raise gr.Error(str(error)) from error
        answer = ""
        for piece in stream(model, tokenizer, messages, temperature, int(max_tokens)):
            answer += piece
            yield answer  # each one replaces the last on the screen

    return gr.ChatInterface(
        chat,
        title="My model",
        additional_inputs=[
            gr.Textbox("You are a helpful tutor.", label="System prompt", max_length=MAX_SYSTEM),
            gr.Slider(0, MAX_TEMPERATURE, 0.7, step=0.1, label="Temperature"),
            gr.Slider(1, MAX_TOKENS, 128, step=1, label="Max tokens"),
        ],
        api_name="chat",
        concurrency_limit=1,  # one answer at a time: two would each have half the speed
    )
