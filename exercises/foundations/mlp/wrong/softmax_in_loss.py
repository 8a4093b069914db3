# caught by: one_step
# patch: The loss is taken of probabilities, as if cross_entropy wanted them.


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
        loss = F.cross_entropy(model(x).softmax(dim=1), y)  # the mean over this batch
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(y)  # .item(): a number, without the graph behind it
        examples += len(y)
    return total / examples
