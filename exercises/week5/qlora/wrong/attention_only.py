# caught by: only_adapter_trains
# fast
# patch: Adapts q and v only, as LoRA's paper; QLoRA's needs every linear layer.


def build_model(quantized):
    """Return the quantized base, prepared, with a fresh adapter, the same on every call."""
    prepared = prepare_model_for_kbit_training(
        quantized, gradient_checkpointing_kwargs={"use_reentrant": False}
    )
    config = LoraConfig(
        r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"
    )
    torch.manual_seed(SEED)
    return get_peft_model(prepared, config)


if __name__ == "__main__":
    pass  # a run could add nothing
