# caught by: streams_go_on
# patch: The text is cut into windows first and the windows into batches: rows continue one another.


def windows(
    ids: torch.Tensor, batch_size: int, length: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield inputs and targets, each (batch_size, length), in the order of the text. A target is
    the character after its input. The last window may be shorter, or be left out."""
    count = (len(ids) - 1) // (batch_size * length)
    used = count * batch_size * length
    inputs = ids[:used].reshape(count, batch_size, length)
    targets = ids[1 : used + 1].reshape(count, batch_size, length)
    yield from zip(inputs, targets, strict=True)
