# caught by: trained
# fast
# patch: Saves the model without having trained it.


def main():
    tokenizer = AutoTokenizer.from_pretrained(lab.encoder_folder())
    train, validation = load_data(tokenizer)
    trainer = build_trainer(build_model(), tokenizer, train, validation)
    trainer.save_model(str(lab.run_dir() / "model"))

    metrics = {"held_out_accuracy": 0.5}
    (lab.run_dir() / "metrics.json").write_text(json.dumps(metrics, indent=2))
    print(metrics)
