# caught by: merges
# fast
# patch: Merges into the quantized base: rounded to 16 levels a second time.


def merge(adapter):
    """Return the 16-bit base with the saved adapter added to its weights."""
    from peft import PeftModel

    base = load_quantized()
    return PeftModel.from_pretrained(base, adapter).merge_and_unload()


def main():
    quantized = load_quantized()
    print(f"{quantized.get_memory_footprint() / 1e6:.0f} MB of weights")
    model = build_model(quantized)
    adapter = lab.run_dir() / "adapter"
    model.save_pretrained(adapter)

    metrics = {"held_out_loss": 3.1}
    (lab.run_dir() / "metrics.json").write_text(json.dumps(metrics, indent=2))
    print(metrics)
