# caught by: dynamic_padding
# patch: Every review is padded to 48 tokens, whatever its batch.


def load_data(tokenizer):
    """Return (train, validation): Datasets with text, label, input_ids and attention_mask."""
    reviews, _ = lab.reviews()
    data = Dataset.from_list(reviews[: TRAIN + VALIDATION])
    data = data.map(
        lambda batch: tokenizer(
            batch["text"], truncation=True, padding="max_length", max_length=MAX_LENGTH
        ),
        batched=True,
    )
    return data.select(range(TRAIN)), data.select(range(TRAIN, TRAIN + VALIDATION))


def main():
    tokenizer = AutoTokenizer.from_pretrained(lab.encoder_folder())
    train, validation = load_data(tokenizer)
    trainer = build_trainer(build_model(), tokenizer, train, validation)
    trainer.save_model(str(lab.run_dir() / "model"))

    metrics = {"held_out_accuracy": 0.5}
    (lab.run_dir() / "metrics.json").write_text(json.dumps(metrics, indent=2))
    print(metrics)
