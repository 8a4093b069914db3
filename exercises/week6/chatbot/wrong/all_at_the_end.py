# caught by: streams
# The whole answer is collected before anything is shown.
# %% [markdown]
# # A chatbot with Gradio
#
# The base with your own adapter, behind an interface that streams, stops, and bounds what its
# users may set.

# %%
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import torch

from exercises import lab

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
    model, tokenizer = lab.load_base()
    if adapter is not None:
        from peft import PeftModel  # takes seconds: only where it is needed

        # Not merged: its weights are bfloat16 here, which rounds small changes away.
        model = PeftModel.from_pretrained(model, str(adapter))
    return model.eval(), tokenizer


# %% [markdown]
# ## 2. Tokens as they come
#
# One forward pass a token, with the KV cache. Whoever closes this generator stops the model: the
# loop runs only while someone asks for the next piece.


# %%
def choose(logits: torch.Tensor, temperature: float) -> int:
    """Return the next token: the most probable one at temperature 0, else a sample."""
    if temperature == 0:
        return int(logits.argmax())
    return int(torch.multinomial(torch.softmax(logits.float() / temperature, dim=-1), 1))


@torch.inference_mode()
def stream(model, tokenizer, messages: list[dict], temperature: float, max_tokens: int):
    """Yield the answer to the messages in pieces of text, of at most max_tokens tokens in all."""
    ids = encode(tokenizer, messages)
    cache, answer, shown = None, [], ""
    for _ in range(max_tokens):
        fed = torch.tensor([ids], device=model.device)  # (1, prompt), then (1, 1)
        out = model(input_ids=fed, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        token = choose(out.logits[0, -1], temperature)
        if token == tokenizer.eos_token_id:
            return
        answer.append(token)
        ids = [token]
        text = tokenizer.decode(answer, skip_special_tokens=True)
        if not text.endswith("\ufffd"):  # a character may be several tokens: wait for the rest
            yield text[len(shown) :]
            shown = text


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
    system, turns = messages[:1], messages[1:]
    while len(encode(tokenizer, system + turns)) > budget:
        if len(turns) == 1:
            raise ValueError(f"the message is too long: only {budget} tokens fit")
        turns = turns[2:]
    return system + turns


# %% [markdown]
# ## 4. The app


# %%
def check(message: str, system: str, temperature: float, max_tokens: float) -> None:
    """Raise gr.Error for what the server does not do, whatever the interface let through."""
    if not 0 <= temperature <= MAX_TEMPERATURE:
        raise gr.Error(f"Temperature must lie between 0 and {MAX_TEMPERATURE}.")
    if not 1 <= max_tokens <= MAX_TOKENS:
        raise gr.Error(f"Max tokens must lie between 1 and {MAX_TOKENS}.")
    if len(message) > MAX_MESSAGE:
        raise gr.Error(f"A message has at most {MAX_MESSAGE} characters, not {len(message)}.")
    if len(system) > MAX_SYSTEM:
        raise gr.Error(f"A system prompt has at most {MAX_SYSTEM} characters, not {len(system)}.")


def as_text(content) -> str:
    """Return a message's text: a string by API, a list of parts in the browser."""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


def build_app(model, tokenizer) -> gr.Blocks:
    """Return the app; its endpoint is /chat(message, system prompt, temperature, max tokens)."""
    context = model.config.max_position_embeddings

    def chat(message, history, system, temperature, max_tokens) -> Iterator[str]:
        check(message, system, temperature, max_tokens)
        messages = [{"role": "system", "content": system}]
        messages += [{"role": m["role"], "content": as_text(m["content"])} for m in history]
        messages.append({"role": "user", "content": message})
        try:
            messages = fit(tokenizer, messages, context - int(max_tokens))
        except ValueError as error:
            raise gr.Error(str(error)) from error
        answer = ""
        for piece in stream(model, tokenizer, messages, temperature, int(max_tokens)):
            answer += piece
        yield answer

    return gr.ChatInterface(
        chat,
        title="My model",
        additional_inputs=[
            gr.Textbox("You are a helpful tutor.", label="System prompt", max_length=MAX_SYSTEM),
            gr.Slider(0, MAX_TEMPERATURE, 0.7, step=0.1, label="Temperature"),
            gr.Slider(1, MAX_TOKENS, 128, step=1, label="Max tokens"),
        ],
        api_name="chat",
        concurrency_limit=1,  # one answer at a time: two would each have half the speed
    )


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
