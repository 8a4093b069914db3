# caught by: learned_from_train
# patch: load_data is clean, but main trains on the held-out reviews.


def main():
    tokenizer = AutoTokenizer.from_pretrained(lab.encoder_folder())
    _, validation = load_data(tokenizer)
    train = Dataset.from_list(lab.reviews()[1]).map(
        lambda batch: tokenizer(batch["text"], truncation=True, max_length=MAX_LENGTH),
        batched=True,
    )
    trainer = build_trainer(build_model(), tokenizer, train, validation)
    trainer.train(resume_from_checkpoint=lab.last_checkpoint())
    trainer.save_model(str(lab.run_dir() / "model"))

    _, held_out = lab.reviews()
    guess = predict(trainer.model, tokenizer, [row["text"] for row in held_out])
    metrics = {"held_out_accuracy": accuracy_score([row["label"] for row in held_out], guess)}
    (lab.run_dir() / "metrics.json").write_text(json.dumps(metrics, indent=2))
    print(metrics)
