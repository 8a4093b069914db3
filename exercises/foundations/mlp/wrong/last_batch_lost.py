# caught by: shuffled_batches
# patch: Only whole batches: the rest of the examples is dropped.


def batches(
    x: torch.Tensor, y: torch.Tensor, batch_size: int, generator: torch.Generator
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield (x, y) mini-batches: every example once, in a new random order drawn from the
    generator. The last batch may be smaller."""
    order = torch.randperm(len(x), generator=generator)
    for batch in range(len(x) // batch_size):
        chosen = order[batch * batch_size : (batch + 1) * batch_size]
        yield x[chosen], y[chosen]
