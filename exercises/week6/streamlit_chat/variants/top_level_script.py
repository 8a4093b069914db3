# Another style: no functions but the cached one, tuples in the state, a placeholder that grows.
import streamlit as st

from exercises.week6.engine import load


@st.cache_resource
def the_model():
    return load()


if "turns" not in st.session_state:
    st.session_state.turns = []

if __name__ == "__main__":
    llm = the_model()
    st.header("Chat")
    columns = st.columns(2)
    heat = columns[0].slider("Creativity", 0.0, 1.5, value=1.0, step=0.05, key="temperature")
    length = columns[1].slider("Length", min_value=1, max_value=512, value=256, key="max_tokens")
    persona = st.text_input("Who answers?", value="You are a sailor.", key="system")
    if st.button("Forget everything", key="clear"):
        st.session_state.turns.clear()
        st.rerun()

    asked = st.chat_input()
    if asked:
        st.session_state.turns.append(("user", asked))
    for role, text in st.session_state.turns:
        st.chat_message(role).write(text)
    if asked:
        spoken = [{"role": role, "content": text} for role, text in st.session_state.turns]
        place = st.chat_message("assistant").empty()
        so_far = ""
        for piece in llm.stream([{"role": "system", "content": persona}, *spoken], heat, length):
            so_far += piece
            place.markdown(so_far + " ▌")
        place.markdown(so_far)
        st.session_state.turns.append(("assistant", so_far))
