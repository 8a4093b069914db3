# caught by: settings
# patch: The sliders are drawn, and the engine is given constants.


def main() -> None:
    st.title("My model")
    model = load_engine()
    messages = st.session_state.setdefault("messages", [])
    system, _, _ = settings()
    messages = st.session_state["messages"]  # a new list where the button was pressed
    draw(messages)
    if question := st.chat_input("Ask something"):
        messages.append({"role": "user", "content": question})
        draw(messages[-1:])
        prompt = [{"role": "system", "content": system}, *messages]
        text = answer(model.stream(prompt, 0.7, 128))
        messages.append({"role": "assistant", "content": text})
