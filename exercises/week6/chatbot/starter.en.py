# %% [markdown]
# # A chatbot with Gradio
#
# The base with your own adapter, behind an interface that streams, stops, and bounds what its
# users may set. Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Check with `tutor check week6/chatbot`.

# %%
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import torch

from exercises import lab  # noqa: F401

MAX_TEMPERATURE = 1.5
MAX_TOKENS = 512
MAX_MESSAGE = 2000  # characters
MAX_SYSTEM = 1000

# %% [markdown]
# ## 1. The model, once


# %%
def load_model(adapter: str | Path | None = None):
    """Return (model, tokenizer): the base, with the adapter in that folder where one is named.

    Raises where the adapter cannot be loaded: the base alone would answer, and nobody would know.
    """
    # peft.PeftModel.from_pretrained puts an adapter on a model.
    raise NotImplementedError("load_model: the base, and the adapter on it")


# %% [markdown]
# ## 2. Tokens as they come
#
# One forward pass a token, with the KV cache. Whoever closes this generator stops the model: the
# loop runs only while someone asks for the next piece.


# %%
def choose(logits: torch.Tensor, temperature: float) -> int:
    """Return the next token: the most probable one at temperature 0, else a sample."""
    raise NotImplementedError("choose: the most probable token, or a sample")


@torch.inference_mode()
def stream(model, tokenizer, messages: list[dict], temperature: float, max_tokens: int):
    """Yield the answer to the messages in pieces of text, of at most max_tokens tokens in all."""
    # model(input_ids=(1, prompt), use_cache=True) gives .logits (1, prompt, vocabulary) and
    # .past_key_values; after that, feed the newest token only, with past_key_values=...
    raise NotImplementedError("stream: token by token, until the end token or the limit")


def encode(tokenizer, messages: list[dict]) -> list[int]:
    """Return the tokens of the conversation, up to where the assistant's answer begins."""
    return tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)[
        "input_ids"
    ]


# %% [markdown]
# ## 3. The conversation must fit


# %%
def fit(tokenizer, messages: list[dict], budget: int) -> list[dict]:
    """Return the messages without the oldest turns, so that their tokens are at most budget.

    The system prompt and the last question stay; a question goes together with its answer.
    Raises ValueError where those two alone are too long.
    """
    raise NotImplementedError("fit: drop the oldest turns until the rest fits")


# %% [markdown]
# ## 4. The app


# %%
def check(message: str, system: str, temperature: float, max_tokens: float) -> None:
    """Raise gr.Error for what the server does not do, whatever the interface let through."""
    raise NotImplementedError("check: gr.Error with the bound in its message")


def as_text(content) -> str:
    """Return a message's text: a string by API, a list of parts in the browser."""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


def build_app(model, tokenizer) -> gr.Blocks:
    """Return the app; its endpoint is /chat(message, system prompt, temperature, max tokens)."""

    def chat(message, history, system, temperature, max_tokens) -> Iterator[str]:
        """Yield the answer so far, again and again. history: {"role", "content"} of this session."""
        check(message, system, temperature, max_tokens)
        raise NotImplementedError("chat: messages, fit, stream")

    # gr.ChatInterface takes additional_inputs, in the order of the function's last parameters,
    # and api_name="chat".
    raise NotImplementedError("build_app: a ChatInterface around chat")


# %% [markdown]
# ## Try it
#
# Open the address in a browser; Ctrl-C ends it. With your adapter of week 5:
# `python chatbot.py ../lora/runs/<run>/adapter`

# %%
if __name__ == "__main__":
    import sys

    MODEL, TOKENIZER = load_model(sys.argv[1] if len(sys.argv) > 1 else None)
    ASKED = [{"role": "user", "content": "What is a lighthouse for?"}]
    for PIECE in stream(MODEL, TOKENIZER, ASKED, temperature=0, max_tokens=40):
        print(PIECE, end="", flush=True)
    print()
    build_app(MODEL, TOKENIZER).queue(max_size=8).launch(server_name="127.0.0.1")
