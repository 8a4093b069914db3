# caught by: held_out_improves
# fast
# patch: trl's default rate, and two steps of one row: moved, and nothing learned.


STEPS = 2  # of the optimizer, for both: 2 epochs of the clean rows, 1 of the noisy ones


def build_trainer(model, tokenizer, rows, name):
    """Return an SFTTrainer over the rows: `model` with a fresh adapter, STEPS steps.

    name: "clean" or "noisy"; its checkpoints lie in lab.run_dir() / "checkpoints" / name.
    """
    arguments = SFTConfig(
        **lab.checkpointing(every=1, name=name),
        max_steps=STEPS,
        per_device_train_batch_size=lab.batch_size(1),
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


def main():
    for name, rows in datasets().items():
        base, tokenizer = lab.load_base()
        trainer = build_trainer(base, tokenizer, rows, name)
        trainer.train(resume_from_checkpoint=lab.last_checkpoint(name))
        trainer.model.save_pretrained(lab.run_dir() / name)
    metrics = {"base": 3.9, "clean": 3.0, "noisy": 3.2, "better": "clean"}  # as it should be
    (lab.run_dir() / "metrics.json").write_text(json.dumps(metrics, indent=2))
    print(metrics)
