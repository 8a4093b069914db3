# caught by: keeps_best
# patch: Saves the last model, however overfitted.


def build_trainer(model, tokenizer, train, validation):
    arguments = TrainingArguments(
        learning_rate=2e-4,  # a small encoder wants more than BERT-base's 2e-5 to 5e-5
        num_train_epochs=EPOCHS,
        per_device_train_batch_size=BATCH,
        per_device_eval_batch_size=64,
        warmup_steps=0.1,  # a share of all steps
        weight_decay=0.01,
        eval_strategy="steps",
        eval_steps=EVERY,
        logging_steps=EVERY,
        report_to="none",
        seed=SEED,
        **lab.checkpointing(every=EVERY),
    )
    return Trainer(
        model=model,
        args=arguments,
        train_dataset=train,
        eval_dataset=validation,
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=compute_metrics,
        callbacks=[lab.progress()],
    )


def main():
    tokenizer = AutoTokenizer.from_pretrained(lab.encoder_folder())
    train, validation = load_data(tokenizer)
    trainer = build_trainer(build_model(), tokenizer, train, validation)
    trainer.save_model(str(lab.run_dir() / "model"))

    metrics = {"held_out_accuracy": 0.5}
    (lab.run_dir() / "metrics.json").write_text(json.dumps(metrics, indent=2))
    print(metrics)
