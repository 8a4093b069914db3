# caught by: adapter
# patch: A folder that is not there is passed over: the base answers, and nobody knows.


def load_model(adapter: str | Path | None = None):
    """Return (model, tokenizer): the base, with the adapter in that folder where one is named.

    Raises where the adapter cannot be loaded: the base alone would answer, and nobody would know.
    """
    model, tokenizer = lab.load_base()
    if adapter is not None and Path(adapter).exists():
        from peft import PeftModel  # takes seconds: only where it is needed

        # Not merged: its weights are bfloat16 here, which rounds small changes away.
        model = PeftModel.from_pretrained(model, str(adapter))
    return model.eval(), tokenizer
