# caught by: modes
# patch: Accuracy measured with dropout on.


def evaluate(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    """Return the accuracy, between 0 and 1, in evaluation mode and without gradients.

    The model is left in the mode in which it came.
    """
    was_training = model.training
    with torch.no_grad():
        predicted = model(x).argmax(dim=1)
    model.train(was_training)
    return (predicted == y).float().mean().item()
