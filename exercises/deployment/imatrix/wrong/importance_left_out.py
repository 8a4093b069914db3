# caught by: search
# patch: Plain squares decide: all channels count alike.


def weighted(weight, importance):
    """Choose each block's scale so that sum(importance x (weight - scale x code)^2) is small: never
    larger than with `plain`.

    importance: (columns,), not negative; the mean squares of `collect`. Tried are the plain scale
    times 0.7 to 1.2, and for the codes that each gives the scale that fits them best,
    sum(i w c) / sum(i c^2).
    """
    blocks = weight.float().unflatten(1, (-1, BLOCK))
    importance = torch.ones_like(importance).view(-1, BLOCK)
    start = plain(weight)
    best_scales, best_codes = start.scales[..., None], start.codes.unflatten(1, (-1, BLOCK))
    best = error(blocks, best_scales, best_codes, importance)
    for factor in torch.linspace(0.7, 1.2, 26).tolist():
        codes = codes_for(blocks, start.scales[..., None] * factor)
        c = codes.float()
        power = (importance * c * c).sum(-1, keepdim=True)
        fitted = (importance * blocks * c).sum(-1, keepdim=True) / power.clamp(min=1e-30)
        found = error(blocks, fitted, codes, importance)
        better = found < best
        best = torch.where(better, found, best)
        best_scales = torch.where(better, fitted, best_scales)
        best_codes = torch.where(better, codes, best_codes)
    return Quantized(best_scales[..., 0], best_codes.flatten(1))
