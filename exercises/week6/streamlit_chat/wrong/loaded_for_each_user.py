# caught by: loaded_once
# patch: The model is kept in the session's state: each user has a copy.


def load_engine(path: str | None = None) -> engine.Engine:
    """Return the one engine of this process, whoever asks."""
    return engine.load(path)


def main() -> None:
    st.title("My model")
    if "model" not in st.session_state:
        st.session_state["model"] = load_engine()
    model = st.session_state["model"]
    messages = st.session_state.setdefault("messages", [])
    system, temperature, max_tokens = settings()
    messages = st.session_state["messages"]  # a new list where the button was pressed
    draw(messages)
    if question := st.chat_input("Ask something"):
        messages.append({"role": "user", "content": question})
        draw(messages[-1:])
        prompt = [{"role": "system", "content": system}, *messages]
        text = answer(model.stream(prompt, temperature, max_tokens))
        messages.append({"role": "assistant", "content": text})
