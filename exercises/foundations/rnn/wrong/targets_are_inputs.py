# caught by: targets_ahead
# patch: The model is asked for the character that it just read.


def windows(
    ids: torch.Tensor, batch_size: int, length: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield inputs and targets, each (batch_size, length), in the order of the text. A target is
    the character after its input. The last window may be shorter, or be left out."""
    size = (len(ids) - 1) // batch_size  # of a stream
    inputs = ids[: batch_size * size].reshape(batch_size, size)
    targets = ids[: batch_size * size].reshape(batch_size, size)
    yield from zip(inputs.split(length, dim=1), targets.split(length, dim=1), strict=True)
