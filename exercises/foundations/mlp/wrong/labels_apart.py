# caught by: shuffled_batches
# patch: x and y are shuffled separately.


def batches(
    x: torch.Tensor, y: torch.Tensor, batch_size: int, generator: torch.Generator
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield (x, y) mini-batches: every example once, in a new random order drawn from the
    generator. The last batch may be smaller."""
    order = torch.randperm(len(x), generator=generator)
    x = x[order]
    y = y[torch.randperm(len(y), generator=generator)]
    yield from zip(x.split(batch_size), y.split(batch_size), strict=True)
