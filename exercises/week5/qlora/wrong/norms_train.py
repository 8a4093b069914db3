# caught by: only_adapter_trains
# fast
# patch: The norms, in float32 after preparing, are set to train as well.


def build_model(quantized):
    """Return the quantized base, prepared, with a fresh adapter, the same on every call."""
    prepared = prepare_model_for_kbit_training(
        quantized, gradient_checkpointing_kwargs={"use_reentrant": False}
    )
    config = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
    torch.manual_seed(SEED)
    model = get_peft_model(prepared, config)
    for name, parameter in model.named_parameters():
        if "norm" in name:
            parameter.requires_grad = True
    return model


if __name__ == "__main__":
    pass  # a run could add nothing
