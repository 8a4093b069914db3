# caught by: conversation
# patch: The system prompt is put before the question: the template's own default stays in force.


def fit(tokenizer, messages: list[dict], budget: int) -> list[dict]:
    """Return the messages without the oldest turns, so that their tokens are at most budget.

    The system prompt and the last question stay; a question goes together with its answer.
    Raises ValueError where those two alone are too long.
    """
    system, turns = [], messages
    while len(encode(tokenizer, system + turns)) > budget:
        if len(turns) == 1:
            raise ValueError(f"the message is too long: only {budget} tokens fit")
        turns = turns[2:]
    return system + turns


def build_app(model, tokenizer) -> gr.Blocks:
    """Return the app; its endpoint is /chat(message, system prompt, temperature, max tokens)."""
    context = model.config.max_position_embeddings

    def chat(message, history, system, temperature, max_tokens) -> Iterator[str]:
        check(message, system, temperature, max_tokens)
        messages = [{"role": m["role"], "content": as_text(m["content"])} for m in history]
        messages.append({"role": "user", "content": f"{system}\n\n{message}"})
        try:
            messages = fit(tokenizer, messages, context - int(max_tokens))
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
