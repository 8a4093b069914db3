# caught by: reference
# fast
# patch: get_peft_model changes the base in place: this reference has the adapter too.

from peft import get_peft_model


def build_trainer(model, tokenizer, rows):
    """Return a DPOTrainer over the rows whose policy is `model` with a fresh adapter."""
    policy = get_peft_model(model, lora_config())
    return DPOTrainer(
        model=policy,
        ref_model=model,
        args=dpo_config(),
        train_dataset=to_trl(rows),
        processing_class=tokenizer,
        callbacks=[lab.progress()],
    )


if __name__ == "__main__":
    pass  # a run could add nothing
