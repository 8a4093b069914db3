# caught by: card
# fast
# patch: Rank and alpha are typed in, not read from the adapter.


def training(folder):
    steps = read_json(folder / "training.json")["steps"]
    return (
        f"LoRA with rank 8 and alpha 16 on all linear layers; {steps} steps; the loss is on the "
        "responses only."
    )
