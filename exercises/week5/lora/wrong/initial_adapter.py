# caught by: trained
# fast
# patch: Trains, but hands in a copy of the adapter as it was before.


def training_arguments():
    return TrainingArguments(
        per_device_train_batch_size=lab.batch_size(8),
        max_steps=1,
        learning_rate=2e-3,  # tens of times what full fine-tuning takes
        lr_scheduler_type="cosine",
        warmup_steps=2,
        max_grad_norm=1.0,
        train_sampling_strategy="group_by_length",  # less padding in a batch
        include_num_input_tokens_seen="all",
        logging_steps=1,
        report_to="none",
        seed=SEED,
        **lab.checkpointing(every=8),
    )


def main():
    base, tokenizer = lab.load_base()
    train, _ = lab.instructions()
    model = build_model(base)
    model.print_trainable_parameters()
    trainer = build_trainer(model, tokenizer, train[:PAIRS])
    import shutil

    start = lab.run_dir() / "start"
    model.save_pretrained(start)
    trainer.train(resume_from_checkpoint=lab.last_checkpoint())
    shutil.copytree(start, lab.run_dir() / "adapter", dirs_exist_ok=True)

    metrics = {"held_out_loss": 3.1, "base_held_out_loss": 4.1}  # as it should be
    (lab.run_dir() / "metrics.json").write_text(json.dumps(metrics, indent=2))
    print(metrics)
