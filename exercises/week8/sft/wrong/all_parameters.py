# caught by: only_adapter_trains
# fast
# patch: No peft_config: the whole model trains.


def build_trainer(model, tokenizer, rows, name):
    """Return an SFTTrainer over the rows: `model` with a fresh adapter, STEPS steps.

    name: "clean" or "noisy"; its checkpoints lie in lab.run_dir() / "checkpoints" / name.
    """
    arguments = SFTConfig(
        **lab.checkpointing(every=5, name=name),
        max_steps=STEPS,
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
    return SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list([format_row(row) for row in rows]),
        processing_class=tokenizer,
        callbacks=[lab.progress()],
    )


if __name__ == "__main__":
    pass  # a run could add nothing
