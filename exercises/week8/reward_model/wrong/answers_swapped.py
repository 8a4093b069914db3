# caught by: held_out_orders
# fast
# patch: The arguments are swapped: trained to prefer the rejected answer.


PAIRS = 24


def main():
    model, tokenizer = lab.load_base()
    train, _ = preference_data.pairs()
    states = {
        name: answer_states(model, tokenizer, train[:PAIRS], name)
        for name in ("chosen", "rejected")
    }
    save_file(states, lab.run_dir() / "states.safetensors")
    head = train_head(states["rejected"], states["chosen"])
    save_file(head.state_dict(), lab.run_dir() / "head.safetensors")
