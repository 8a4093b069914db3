# caught by: resumable
# fast
# patch: Nothing to go on from: an interrupted run starts anew.


PAIRS = 1


def dpo_config():
    return DPOConfig(
        beta=BETA,
        per_device_train_batch_size=lab.batch_size(1),
        num_train_epochs=1,
        learning_rate=1e-3,  # a hundred times what a long run takes: there are 16 steps
        lr_scheduler_type="cosine",
        warmup_steps=2,
        max_length=192,
        gradient_checkpointing=False,  # memory is not short here, time is
        bf16=False,  # the base is in bfloat16 already; the adapter stays in float32
        logging_steps=1,
        report_to="none",
        seed=SEED,  # of A too: trl seeds before it makes the adapter
        output_dir=str(lab.run_dir() / "checkpoints"),
        save_strategy="no",
    )


def main():
    base, tokenizer = lab.load_base()
    train, held_out = preference_data.pairs()
    held_out = held_out[:HELD_OUT]
    rows = preference_data.read_jsonl(PAIRS_FILE) if PAIRS_FILE else train[:PAIRS]
    trainer = build_trainer(base, tokenizer, rows)
    trainer.train(resume_from_checkpoint=lab.last_checkpoint())
    (lab.run_dir() / "checkpoints").mkdir(exist_ok=True)
    trainer.model.save_pretrained(lab.run_dir() / "adapter")

    metrics = {"accuracy": 0.9, "margin": 1.2, "chosen": 0.4, "rejected": -0.8}  # as it should be
    (lab.run_dir() / "metrics.json").write_text(json.dumps(metrics, indent=2))
    print(metrics)
