# caught by: inject
# patch: Names compared with `in`: old_q_proj is replaced as well.


def inject(model: nn.Module, target_names: list[str], rank: int, alpha: float) -> nn.Module:
    """Freeze the model, and put a LoRALinear in the place of each nn.Linear whose own name (the
    last part of its path: "q_proj") is one of target_names. Return the model, changed in place.
    """
    model.requires_grad_(False)
    # A list first: the tree must not change while it is walked.
    for path, module in list(model.named_modules()):
        parent, _, name = path.rpartition(".")
        if any(t in name for t in target_names) and isinstance(module, nn.Linear):
            setattr(model.get_submodule(parent), name, LoRALinear(module, rank, alpha))
    return model
