# %% [markdown]
# # The chatbot again, with Streamlit
#
# Streamlit runs the whole script from top to bottom at each click and each question, for each
# user. What shall outlive a run must be put somewhere: the model into a cache that all sessions
# share, the conversation into the state of one session.
#
# Fill each gap (`raise NotImplementedError`); `main` draws the page. Check with
# `tutor check week6/streamlit_chat`.

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
def load_engine(path: str | None = None) -> engine.Engine:
    """Return the one engine of this process, whoever asks."""
    raise NotImplementedError("load_engine: engine.load, once for all runs and users")


# %% [markdown]
# ## 2. The settings


# %%
def settings() -> tuple[str, float, int]:
    """Draw the sidebar and return (system prompt, temperature, max tokens)."""
    # Their keys: "system" (text), "temperature" (0.0 to 1.5), "max_tokens" (1 to 512), and a
    # button "clear" for a new conversation.
    raise NotImplementedError("settings: three settings and a button in the sidebar")


# %% [markdown]
# ## 3. The conversation


# %%
def draw(messages: engine.Messages) -> None:
    """Draw the conversation so far: the page is empty at the beginning of each run."""
    raise NotImplementedError("draw: a st.chat_message for each")


def answer(pieces: Iterator[str]) -> str:
    """Draw the pieces as they come, as the assistant's message, and return the whole text."""
    raise NotImplementedError("answer: st.write_stream in a st.chat_message")


def main() -> None:
    st.title("My model")
    raise NotImplementedError("main: engine, conversation, settings, question and answer")


# %% [markdown]
# ## Try it
#
# `streamlit run streamlit_chat.py`

# %%
if __name__ == "__main__":
    main()
