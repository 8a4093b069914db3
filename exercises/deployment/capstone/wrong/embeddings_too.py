# caught by: finetuned
# fast
# patch: modules_to_save trains a whole copy of the output layer beside the adapter.


def build_model(base):
    """Return the base with a fresh LoRA adapter, the same on every call; nothing else trains."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(SEED)
    return get_peft_model(
        base,
        LoraConfig(
            r=8,
            lora_alpha=16,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
            modules_to_save=["lm_head"],
        ),
    )
