# caught by: held_out_accuracy
# patch: A learning rate so small that two epochs change nothing.


def build_trainer(model, tokenizer, train, validation):
    arguments = TrainingArguments(
        learning_rate=5e-7,  # a small encoder wants more than BERT-base's 2e-5 to 5e-5
        num_train_epochs=EPOCHS,
        per_device_train_batch_size=BATCH,
        per_device_eval_batch_size=64,
        warmup_steps=0.1,  # a share of all steps
        weight_decay=0.01,
        eval_strategy="steps",
        eval_steps=EVERY,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
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
