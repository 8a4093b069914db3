# caught by: remembers
# patch: A list in the script: it is empty again at each run.


def main() -> None:
    st.title("My model")
    model = load_engine()
    system, temperature, max_tokens = settings()
    messages: engine.Messages = []
    draw(messages)
    if question := st.chat_input("Ask something"):
        messages.append({"role": "user", "content": question})
        draw(messages[-1:])
        prompt = [{"role": "system", "content": system}, *messages]
        text = answer(model.stream(prompt, temperature, max_tokens))
        messages.append({"role": "assistant", "content": text})
