# caught by: padding
# patch: All positions count, padding too.


@torch.no_grad()
def collect(model, batches, names):
    """Return {name: (in,) float32}: the mean square of each input channel of the nn.Linear layers
    called `names` (paths of named_modules), over all tokens of the batches.

    batches: {"input_ids", "attention_mask"}, each (batch, length); where the mask is 0 stands
    padding, which does not count. The hooks are gone afterwards, also where the model raised.
    """
    sums = dict.fromkeys(names, 0.0)
    tokens, mask = 0, None

    def listen(name):
        def hook(module, given):
            real = given[0][mask]  # (tokens, in)
            sums[name] = sums[name] + real.float().pow(2).sum(dim=0)

        return model.get_submodule(name).register_forward_pre_hook(hook)

    model.eval()
    handles = [listen(name) for name in names]
    try:
        for batch in batches:
            mask = torch.ones_like(batch["attention_mask"]).bool()
            tokens += int(mask.sum())
            model(**batch)
    finally:
        for handle in handles:
            handle.remove()
    return {name: total / tokens for name, total in sums.items()}
