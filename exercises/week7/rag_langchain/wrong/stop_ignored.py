# caught by: model
# patch: Takes stop and does nothing with it.


class LocalLLM(LLM):
    """A function from a prompt to its continuation, as a LangChain LLM."""

    complete: Callable[[str], str]

    @property
    def _llm_type(self):
        return "local"

    def _call(self, prompt, stop=None, run_manager=None, **kwargs):
        """Return the continuation, ended before the first of the stop strings: the function knows
        none."""
        text = self.complete(prompt)
        return text
