# caught by: continuation
# patch: The seed is taken and never used.


def continuation(model, prompt_ids, settings, max_new_tokens, seed):
    """Return the new ids alone, the same on every call with the same seed."""
    ids = torch.tensor([prompt_ids])
    output = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=max_new_tokens,
        pad_token_id=model.generation_config.eos_token_id,
        **settings,
    )
    return output[0, len(prompt_ids) :].tolist()
