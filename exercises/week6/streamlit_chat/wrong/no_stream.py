# caught by: streams
# patch: The pieces are joined before anything is drawn.


def answer(pieces: Iterator[str]) -> str:
    """Draw the pieces as they come, as the assistant's message, and return the whole text."""
    with st.chat_message("assistant"):
        text = "".join(pieces)
        st.markdown(text)
        return text
