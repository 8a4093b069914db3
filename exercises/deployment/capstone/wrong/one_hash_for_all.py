# caught by: card
# fast
# patch: The hash of the F16 file stands beside each file.


def model_card(folder):
    """Return the card of what lies in the folder (see main), in Markdown.

    Front matter: license, base_model. Sections: Data, Training (rank, alpha, steps), Quantization
    (type, both perplexities, rise), Evaluation (a row for each figure: before, after), Limits,
    Files (each GGUF with its sha256).
    """
    config = read_json(folder / "adapter" / "adapter_config.json")
    training = read_json(folder / "training.json")
    quality = read_json(folder / "quantization.json")
    figures = read_json(folder / "evaluation.json")
    base = assets.catalogue()[lab.BASE]
    rows = [
        f"| {name} | {figures['before'][name]:.3f} | {figures['after'][name]:.3f} |"
        for name in figures["after"]
    ]
    files = [
        f"| {f.name} | {sha256(folder / 'model-F16.gguf')} |" for f in sorted(folder.glob("*.gguf"))
    ]
    lines = [
        "---",
        f"license: {base.licence.lower()}",
        f"base_model: {base.page.removeprefix('https://huggingface.co/')}",
        "language: en",
        "tags: [gguf, lora, rag]",
        "---",
        f"# {NAME}",
        "",
        f"{base.title}, fine-tuned to answer from numbered passages and to name their numbers.",
        "",
        "## Data",
        "",
        f"{training['examples']} questions about arguments of the libraries installed here (peft, "
        "trl, transformers and others), answered by their docstrings (Apache-2.0), each among "
        f"other docstrings. sha256 {training['data_sha256']}.",
        "",
        "## Training",
        "",
        f"LoRA with rank {config['r']} and alpha {config['lora_alpha']} on all linear layers; "
        f"{training['steps']} steps; the loss is on the responses only.",
        "",
        "## Quantization",
        "",
        f"{quality['type']}: perplexity {quality['perplexity']:.3f} where F16 has "
        f"{quality['reference_perplexity']:.3f}, a rise of {quality['rise']:.2%}.",
        "",
        "## Evaluation",
        "",
        f"{len(GOLD)} questions about our lessons, with the same search before and after.",
        "",
        "| figure | before | after |",
        "|---|---|---|",
        *rows,
        "",
        "## Limits",
        "",
        "English only. It knows next to nothing by itself: without passages it must not be asked. "
        "It often copies a sentence that is near the question and does not answer it; a citation "
        "says where the words come from, not that they are the answer. Not for decisions of any "
        "weight.",
        "",
        "## Files",
        "",
        "| file | sha256 |",
        "|---|---|",
        *files,
    ]
    return "\n".join(lines) + "\n"
