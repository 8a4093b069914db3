# caught by: classify
# patch: Measures the bias of the zero-shot prompt, not of the prompt that is used.


def classify(
    model, tokenizer, shots: Sequence[Review], texts: Sequence[str], calibrated: bool = False
) -> list[int]:
    """Return the number of the most probable label for each text."""
    scores = label_logprobs(model, tokenizer, [build_prompt(shots, text) for text in texts])
    if calibrated:
        empty = [build_prompt([], text) for text in CONTENT_FREE]
        scores = calibrate(scores, label_logprobs(model, tokenizer, empty))
    return scores.argmax(-1).tolist()
