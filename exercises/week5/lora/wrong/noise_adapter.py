# caught by: trained
# fast
# patch: B is filled with noise instead of being trained: not zero, and worth nothing.


def main():
    base, tokenizer = lab.load_base()
    train, _ = lab.instructions()
    model = build_model(base)
    model.print_trainable_parameters()
    trainer = build_trainer(model, tokenizer, train[:PAIRS])
    trainer.save_state()
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=1e-3)
    model.save_pretrained(lab.run_dir() / "adapter")

    metrics = {"held_out_loss": 3.1, "base_held_out_loss": 4.1}  # as it should be
    (lab.run_dir() / "metrics.json").write_text(json.dumps(metrics, indent=2))
    print(metrics)
