# caught by: clears
# The page is emptied, but the list that the model reads is another.
# %% [markdown]
# # The chatbot again, with Streamlit
#
# Streamlit runs the whole script from top to bottom at each click and each question, for each
# user. What shall outlive a run must be put somewhere: the model into a cache that all sessions
# share, the conversation into the state of one session.

# %%
from collections.abc import Iterator

import streamlit as st

from exercises.week6 import engine

MAX_TEMPERATURE = 1.5
MAX_TOKENS = 512

# %% [markdown]
# ## 1. Loaded once
#
# `engine.load` gives SmolLM2-135M, or the GGUF file that you name (your own from the workshop).


# %%
@st.cache_resource(show_spinner="Loading the model…")
def load_engine(path: str | None = None) -> engine.Engine:
    """Return the one engine of this process, whoever asks."""
    return engine.load(path)


# %% [markdown]
# ## 2. The settings


# %%
def settings() -> tuple[str, float, int]:
    """Draw the sidebar and return (system prompt, temperature, max tokens)."""
    with st.sidebar:
        system = st.text_area("System prompt", "You are a helpful tutor.", key="system")
        temperature = st.slider("Temperature", 0.0, MAX_TEMPERATURE, 0.7, 0.1, key="temperature")
        max_tokens = st.slider("Max tokens", 1, MAX_TOKENS, 128, key="max_tokens")
        if st.button("New conversation", key="clear"):
            st.session_state["messages"] = []
    return system, temperature, max_tokens


# %% [markdown]
# ## 3. The conversation


# %%
def draw(messages: engine.Messages) -> None:
    """Draw the conversation so far: the page is empty at the beginning of each run."""
    for message in messages:
        with st.chat_message(message["role"]):
            st.markdown(message["content"])


def answer(pieces: Iterator[str]) -> str:
    """Draw the pieces as they come, as the assistant's message, and return the whole text."""
    with st.chat_message("assistant"):
        return str(st.write_stream(pieces))


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


# %% [markdown]
# ## Try it
#
# `streamlit run streamlit_chat.py`

# %%
if __name__ == "__main__":
    main()
