# caught by: model
# patch: delta repeats all so far: whoever prints it prints everything again and again.


class LocalLLM(CustomLLM):
    """A function from a prompt to an iterable of pieces of text, as a LlamaIndex LLM."""

    generate: Callable[[str], Any]
    context: int = 2048
    most_tokens: int = 256

    @property
    def metadata(self):
        """The window decides how much LlamaIndex packs into a prompt: the model's true one."""
        return LLMMetadata(
            context_window=self.context, num_output=self.most_tokens, model_name="local"
        )

    @llm_completion_callback()
    def complete(self, prompt, formatted=False, **kwargs):
        """Return the whole text."""
        return CompletionResponse(text="".join(self.generate(prompt)))

    @llm_completion_callback()
    def stream_complete(self, prompt, formatted=False, **kwargs):
        """Yield responses with `text`, all so far, and `delta`, the new piece."""
        text = ""
        for piece in self.generate(prompt):
            text += piece
            yield CompletionResponse(text=text, delta=text)
