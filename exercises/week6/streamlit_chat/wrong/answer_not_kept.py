# caught by: remembers
# patch: The answer is drawn, but not appended to the conversation.


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
        prompt = [{"role": "system", "content": system}, *messages]
        answer(model.stream(prompt, temperature, max_tokens))
