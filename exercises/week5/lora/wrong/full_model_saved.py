# caught by: adapter_saved
# fast
# patch: Saves the merged model: 269 MB where 10 would do.


def main():
    base, tokenizer = lab.load_base()
    train, _ = lab.instructions()
    model = build_model(base)
    model.print_trainable_parameters()
    trainer = build_trainer(model, tokenizer, train[:PAIRS])
    trainer.save_state()
    model.merge_and_unload().save_pretrained(lab.run_dir() / "adapter")

    metrics = {"held_out_loss": 3.1, "base_held_out_loss": 4.1}  # as it should be
    (lab.run_dir() / "metrics.json").write_text(json.dumps(metrics, indent=2))
    print(metrics)
