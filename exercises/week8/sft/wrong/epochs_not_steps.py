# caught by: same_budget
# fast
# patch: Two epochs of each: the larger set is trained twice as long.


def build_trainer(model, tokenizer, rows, name):
    """Return an SFTTrainer over the rows: `model` with a fresh adapter, STEPS steps.

    name: "clean" or "noisy"; its checkpoints lie in lab.run_dir() / "checkpoints" / name.
    """
    arguments = SFTConfig(
        **lab.checkpointing(every=5, name=name),
        num_train_epochs=2,
        per_device_train_batch_size=lab.batch_size(4),
        learning_rate=2e-3,
        lr_scheduler_type="cosine",
        completion_only_loss=True,
        max_length=256,
        gradient_checkpointing=False,  # memory is not short here, time is
        bf16=False,  # the base is in bfloat16 already; the adapter stays in float32
        logging_steps=1,
        report_to="none",
        seed=SEED,
    )
    lora = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
    return SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list([format_row(row) for row in rows]),
        processing_class=tokenizer,
        peft_config=lora,
        callbacks=[lab.progress()],
    )


if __name__ == "__main__":
    pass  # a run could add nothing
