# caught by: epoch_loss
# patch: The mean over batches: three examples at the end weigh as much as twenty.


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
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
        examples += 1
    return total / examples
