# caught by: chat_prompt
# patch: Ends after the question: the model has to open the assistant's turn itself.


def chat_ids(tokenizer, question: str) -> list[int]:
    """Return the ids of a conversation with this one question, up to where the answer begins."""
    messages = [{"role": "user", "content": question}]
    encoded = tokenizer.apply_chat_template(messages, return_dict=True)
    return encoded["input_ids"]
