# caught by: finetuned
# fast
# patch: The base is let train as well: the adapter alone is not what was trained.


def build_model(base):
    """Return the base with a fresh LoRA adapter, the same on every call; nothing else trains."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(SEED)
    model = get_peft_model(
        base, LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
    )
    model.requires_grad_(True)
    return model
