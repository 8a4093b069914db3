# caught by: modes
# patch: evaluate leaves the model in evaluation mode.


def evaluate(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    """Return the accuracy, between 0 and 1, in evaluation mode and without gradients.

    The model is left in the mode in which it came.
    """
    model.eval()
    with torch.no_grad():
        predicted = model(x).argmax(dim=1)
    return (predicted == y).float().mean().item()
