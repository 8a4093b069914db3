# caught by: only_adapter_trains
# fast
# patch: Everything trains, the base as well.


def build_model(base):
    """Return the base with a fresh adapter, the same on every call."""
    torch.manual_seed(SEED)  # A is random: the grader makes it again to compare
    return get_peft_model(base, lora_config()).requires_grad_(True)


if __name__ == "__main__":
    pass  # a run could add nothing
