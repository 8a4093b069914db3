# caught by: predicts
# fast
# patch: Never leaves training mode: dropout makes the answers random.


@torch.no_grad()
def predict(model, tokenizer, texts, batch_size=32):
    """Return the label, 0 or 1, of each text, in their order."""
    labels = []
    for start in range(0, len(texts), batch_size):
        batch = tokenizer(
            texts[start : start + batch_size],
            padding=True,
            truncation=True,
            max_length=MAX_LENGTH,
            return_tensors="pt",
        )
        labels += model(**batch.to(model.device)).logits.argmax(-1).tolist()
    return labels


def main():
    tokenizer = AutoTokenizer.from_pretrained(lab.encoder_folder())
    train, validation = load_data(tokenizer)
    trainer = build_trainer(build_model(), tokenizer, train, validation)
    trainer.save_model(str(lab.run_dir() / "model"))

    metrics = {"held_out_accuracy": 0.5}
    (lab.run_dir() / "metrics.json").write_text(json.dumps(metrics, indent=2))
    print(metrics)
