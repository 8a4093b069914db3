# caught by: stops
# patch: generate() runs in a thread that nobody tells to stop.

import threading

from transformers import TextIteratorStreamer


def stream(model, tokenizer, messages: list[dict], temperature: float, max_tokens: int):
    """Yield the answer to the messages in pieces of text, of at most max_tokens tokens in all."""
    ids = torch.tensor([encode(tokenizer, messages)], device=model.device)
    pieces = TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
    sampling = {"do_sample": True, "temperature": temperature, "top_k": 0}
    named = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "streamer": pieces}
    named |= {"max_new_tokens": max_tokens, "pad_token_id": tokenizer.eos_token_id}
    named |= sampling if temperature > 0 else {"do_sample": False}
    threading.Thread(target=model.generate, kwargs=named, daemon=True).start()
    yield from pieces
