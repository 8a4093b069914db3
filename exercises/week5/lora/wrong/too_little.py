# caught by: held_out_improves
# fast
# patch: A learning rate for full fine-tuning, and few steps: moved, and hardly learned.


def training_arguments():
    return TrainingArguments(
        per_device_train_batch_size=lab.batch_size(8),
        max_steps=3,
        learning_rate=5e-5,
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
    trainer.train(resume_from_checkpoint=lab.last_checkpoint())
    model.save_pretrained(lab.run_dir() / "adapter")

    metrics = {"held_out_loss": 3.1, "base_held_out_loss": 4.1}  # as it should be
    (lab.run_dir() / "metrics.json").write_text(json.dumps(metrics, indent=2))
    print(metrics)
