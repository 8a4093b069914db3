# caught by: clears
# patch: The page is emptied, but the list that the model reads is another.


def main() -> None:
    st.title("My model")
    model = load_engine()
    messages = st.session_state.setdefault("messages", [])
    system, temperature, max_tokens = settings()
    draw(st.session_state["messages"])
    st.session_state["messages"] = messages
    if question := st.chat_input("Ask something"):
        messages.append({"role": "user", "content": question})
        draw(messages[-1:])
        prompt = [{"role": "system", "content": system}, *messages]
        text = answer(model.stream(prompt, temperature, max_tokens))
        messages.append({"role": "assistant", "content": text})
