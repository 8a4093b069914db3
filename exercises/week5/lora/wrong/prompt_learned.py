# caught by: response_only_labels
# fast
# patch: Labels are the input: the loss is on the prompt as well.


def build_example(tokenizer, pair):
    """Return {"input_ids", "labels"}: lists of one length; labels are -100 on the prompt."""
    user = {"role": "user", "content": pair["prompt"]}
    prompt = tokenizer.apply_chat_template([user], tokenize=False, add_generation_prompt=True)
    response = pair["response"] + tokenizer.eos_token
    # In two parts: tokens never straddle the border between what is given and what is learned.
    prompt_ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    response_ids = tokenizer(response, add_special_tokens=False)["input_ids"]
    return {
        "input_ids": prompt_ids + response_ids,
        "labels": prompt_ids + response_ids,
    }


if __name__ == "__main__":
    pass  # a run could add nothing
