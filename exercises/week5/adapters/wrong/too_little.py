# caught by: held_out_improves
# fast
# patch: One small step for each method.


LEARNING_RATES = {"full": 1e-6, "lora": 1e-4, "bottleneck": 1e-4}


def main():
    pairs, held_out = lab.instructions()
    short = sorted(pairs, key=lambda pair: len(pair["response"]))
    rows, base_loss = [], None
    for method in METHODS:
        base, tokenizer = lab.load_base("float32")
        held_out_batches = make_batches(tokenizer, held_out[:1])
        model = build(method, base)  # computes what the base does, until it is trained
        base_loss = base_loss or held_out_loss(model, held_out_batches)
        batches = make_batches(tokenizer, short[:2])
        optimizer = train(model, batches, LEARNING_RATES[method])
        row = {"method": method, **costs(model, optimizer)}
        row["held_out_loss"] = held_out_loss(model, held_out_batches)
        save_trained(model, lab.run_dir() / f"{method}.safetensors")
        rows.append(row)
        print(row)
        del base, model, optimizer  # before the next one is loaded
    metrics = {"base_held_out_loss": base_loss, "rows": rows}
    (lab.run_dir() / "metrics.json").write_text(json.dumps(metrics, indent=2))
    for metric in ("optimizer_mb", "held_out_loss"):
        plot(rows, metric, lab.run_dir() / f"{metric}.png")
