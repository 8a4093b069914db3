# caught by: streams
# patch: The whole answer is collected before anything is shown.


def build_app(model, tokenizer) -> gr.Blocks:
    """Return the app; its endpoint is /chat(message, system prompt, temperature, max tokens)."""
    context = model.config.max_position_embeddings

    def chat(message, history, system, temperature, max_tokens) -> Iterator[str]:
        check(message, system, temperature, max_tokens)
        messages = [{"role": "system", "content": system}]
        messages += [{"role": m["role"], "content": as_text(m["content"])} for m in history]
        messages.append({"role": "user", "content": message})
        try:
            messages = fit(tokenizer, messages, context - int(max_tokens))
        except ValueError as error:
            raise gr.Error(str(error)) from error
        answer = ""
        for piece in stream(model, tokenizer, messages, temperature, int(max_tokens)):
            answer += piece
        yield answer

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
