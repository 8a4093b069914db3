# caught by: one_step
# patch: The logits are detached to save memory: the loss has no way back to the weights.


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
        loss = F.cross_entropy(model(x).detach().requires_grad_(), y)  # the mean over this batch
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(y)  # .item(): a number, without the graph behind it
        examples += len(y)
    return total / examples
