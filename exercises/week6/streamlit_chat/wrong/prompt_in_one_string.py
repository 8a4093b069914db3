# caught by: real_model
# patch: All messages are written into one, as text: not what the model's template makes of them.


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
        said = "\n".join(f"{m['role']}: {m['content']}" for m in messages)
        prompt = [{"role": "user", "content": f"{system}\n{said}"}]
        text = answer(model.stream(prompt, temperature, max_tokens))
        messages.append({"role": "assistant", "content": text})
