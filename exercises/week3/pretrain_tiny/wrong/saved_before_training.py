# caught by: trained
# fast
# patch: Saves the model before it is trained, and prints good numbers afterwards.


def main():
    text = lab.lessons("en")
    tokenizer, blocks, held_out = prepare(text)
    model = build_model(tokenizer.get_vocab_size())
    print(f"{len(blocks)} blocks, {model.num_parameters():,} parameters")
    model.save_pretrained(lab.run_dir() / "model")
    tokenizer.save(str(lab.run_dir() / "tokenizer.json"))
    metrics = {
        "train": nats_per_byte(model, tokenizer, text[: len(held_out)]),
        "held_out": nats_per_byte(model, tokenizer, held_out),
    }
    (lab.run_dir() / "metrics.json").write_text(json.dumps(metrics))
    train(model, blocks[:1], 1)
    print(metrics)
    prompt = torch.tensor([tokenizer.encode(f"{BOS}The model").ids])
    story = model.generate(prompt, max_new_tokens=40, do_sample=True, temperature=0.7, top_k=40)
    print(tokenizer.decode(story[0].tolist()))
