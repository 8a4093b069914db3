# Another style: Blocks with a history in gr.State, generate() in a thread that can be told to stop.
import threading

import gradio as gr
import torch
from transformers import (
    StoppingCriteria,
    StoppingCriteriaList,
    TextIteratorStreamer,
)

from exercises import lab

BOUNDS = {"Temperature": (0, 1.5), "Max tokens": (1, 512)}
LENGTHS = {"message": 2000, "system prompt": 1000}


def load_model(adapter=None):
    model, tokenizer = lab.load_base()
    if adapter:
        model.load_adapter(str(adapter))
    model.eval()
    return model, tokenizer


class Left(StoppingCriteria):
    """True once nobody reads any more."""

    def __init__(self):
        self.event = threading.Event()

    def __call__(self, input_ids, scores, **kwargs):
        return torch.full((input_ids.shape[0],), self.event.is_set(), device=input_ids.device)


def stream(model, tokenizer, messages, temperature, max_tokens):
    prompt = tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
    ).to(model.device)
    left = Left()
    pieces = TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
    sampling = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
    arguments = {
        **prompt,
        **(sampling if temperature > 0 else {"do_sample": False}),
        "max_new_tokens": max_tokens,
        "streamer": pieces,
        "stopping_criteria": StoppingCriteriaList([left]),
        "pad_token_id": tokenizer.eos_token_id,
    }
    thread = threading.Thread(target=model.generate, kwargs=arguments, daemon=True)
    thread.start()
    try:
        yield from pieces
    finally:
        left.event.set()
        thread.join()


def shorten(tokenizer, messages, room):
    def size(candidate):
        text = tokenizer.apply_chat_template(candidate, tokenize=False, add_generation_prompt=True)
        return len(tokenizer(text)["input_ids"])

    while size(messages) > room and len(messages) > 3:
        messages = [messages[0], *messages[3:]]
    if size(messages) > room:
        raise gr.Error(f"This question is too long for the model: {room} tokens are free.")
    return messages


def build_app(model, tokenizer):
    def answer(message, system, temperature, max_tokens, history):
        for name, text in (("message", message), ("system prompt", system)):
            if len(text) > LENGTHS[name]:
                raise gr.Error(f"The {name} may have {LENGTHS[name]:,} characters.")
        for name, value in (("Temperature", temperature), ("Max tokens", max_tokens)):
            low, high = BOUNDS[name]
            if value < low or value > high:
                raise gr.Error(f"{name}: from {low} to {high}")
        asked = [*history, {"role": "user", "content": message}]
        room = model.config.max_position_embeddings - int(max_tokens)
        prompt = shorten(tokenizer, [{"role": "system", "content": system}, *asked], room)
        text = ""
        for piece in stream(model, tokenizer, prompt, temperature, int(max_tokens)):
            text += piece
            yield text, [*asked, {"role": "assistant", "content": text}]

    with gr.Blocks() as app:
        history = gr.State([])
        shown = gr.Markdown(label="Answer")
        inputs = [
            gr.Textbox(label="Message"),
            gr.Textbox("You are a helpful tutor.", label="System prompt"),
            gr.Number(0.7, label="Temperature"),
            gr.Number(128, label="Max tokens"),
        ]
        inputs[0].submit(answer, [*inputs, history], [shown, history], api_name="chat")
    return app


if __name__ == "__main__":
    build_app(*load_model()).launch()
