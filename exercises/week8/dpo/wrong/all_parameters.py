# caught by: only_adapter_trains
# fast
# patch: No peft_config: the whole model trains, and a second one is its reference.


def build_trainer(model, tokenizer, rows):
    """Return a DPOTrainer over the rows whose policy is `model` with a fresh adapter."""
    return DPOTrainer(
        model=model,
        ref_model=None,  # with a peft_config: the model without its adapter
        args=dpo_config(),
        train_dataset=to_trl(rows),
        processing_class=tokenizer,
        callbacks=[lab.progress()],
    )


if __name__ == "__main__":
    pass  # a run could add nothing
