# caught by: gives_logits
# patch: A softmax at the end of the model, and cross_entropy applies another.


def build_model(inputs: int = 64, hidden: int = 64, classes: int = 10) -> nn.Module:
    """Return two linear layers with a nonlinearity between them: (n, inputs) -> (n, classes)
    logits."""
    # No softmax at the end: cross_entropy takes logits.
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, classes), nn.Softmax(dim=1)
    )
