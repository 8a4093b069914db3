# caught by: gradients_cleared
# patch: zero_grad forgotten: gradients pile up.


def train_epoch(
    model: nn.Module,
    data: Iterable[tuple[torch.Tensor, torch.Tensor]],
    optimizer: torch.optim.Optimizer,
) -> float:
    """Take one optimizer step for each batch of data, in training mode.

    Return the mean cross-entropy over the examples of the epoch (not over the batches), in nats.
    """
    model.train()
    total, examples = 0.0, 0
    for x, y in data:
        loss = F.cross_entropy(model(x), y)  # the mean over this batch
        loss.backward()
        optimizer.step()
        total += loss.item() * len(y)  # .item(): a number, without the graph behind it
        examples += len(y)
    return total / examples
