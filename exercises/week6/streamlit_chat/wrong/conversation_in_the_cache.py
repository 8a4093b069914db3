# caught by: own_conversation
# patch: The messages are cached as the model is: all users share them.


@st.cache_resource
def conversation() -> dict:
    return {"messages": []}


def settings() -> tuple[str, float, int]:
    """Draw the sidebar and return (system prompt, temperature, max tokens)."""
    with st.sidebar:
        system = st.text_area("System prompt", "You are a helpful tutor.", key="system")
        temperature = st.slider("Temperature", 0.0, MAX_TEMPERATURE, 0.7, 0.1, key="temperature")
        max_tokens = st.slider("Max tokens", 1, MAX_TOKENS, 128, key="max_tokens")
        if st.button("New conversation", key="clear"):
            conversation()["messages"] = []
    return system, temperature, max_tokens


def main() -> None:
    st.title("My model")
    model = load_engine()
    system, temperature, max_tokens = settings()
    messages = conversation()["messages"]
    draw(messages)
    if question := st.chat_input("Ask something"):
        messages.append({"role": "user", "content": question})
        draw(messages[-1:])
        prompt = [{"role": "system", "content": system}, *messages]
        text = answer(model.stream(prompt, temperature, max_tokens))
        messages.append({"role": "assistant", "content": text})
