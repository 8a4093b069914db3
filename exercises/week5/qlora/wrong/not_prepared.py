# caught by: prepared
# fast
# patch: prepare_model_for_kbit_training is left out.


def build_model(quantized):
    """Return the quantized base, prepared, with a fresh adapter, the same on every call."""
    prepared = quantized
    config = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
    torch.manual_seed(SEED)
    return get_peft_model(prepared, config)


if __name__ == "__main__":
    pass  # a run could add nothing
