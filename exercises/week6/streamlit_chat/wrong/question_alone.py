# caught by: remembers
# patch: The model is given the question without what was said before.


def main() -> None:
    st.title("My model")
    model = load_engine()
    messages = st.session_state.setdefault("messages", [])
    system, temperature, max_tokens = settings()
    messages = st.session_state["messages"]  # a new list where the button was pressed
    draw(messages)
    if question := st.chat_input("Ask something"):
        messages.append({"role": "user", "content": question})
        draw(messages[-1:])
        prompt = [{"role": "system", "content": system}, messages[-1]]
        text = answer(model.stream(prompt, temperature, max_tokens))
        messages.append({"role": "assistant", "content": text})
