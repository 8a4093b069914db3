# caught by: history
# patch: More data is better, it says, and takes the held-out part too.


def fit(
    model: nn.Module,
    train: tuple[torch.Tensor, torch.Tensor],
    held_out: tuple[torch.Tensor, torch.Tensor],
    epochs: int = 20,
    batch_size: int = 32,
    seed: int = 0,
) -> list[dict[str, float]]:
    """Train the model in place; return {"loss": …, "accuracy": …} for each epoch: the training
    loss of that epoch, and the accuracy on held_out after it."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    generator = torch.Generator().manual_seed(seed)  # one for all epochs: each has its own order
    everything = [torch.cat(both) for both in zip(train, held_out, strict=True)]
    history = []
    for _ in range(epochs):
        loss = train_epoch(model, batches(*everything, batch_size, generator), optimizer)
        history.append({"loss": loss, "accuracy": evaluate(model, *held_out)})
    return history
