# caught by: gives_logits
# patch: Two linear layers with nothing between them: one matrix.


def build_model(inputs: int = 64, hidden: int = 64, classes: int = 10) -> nn.Module:
    """Return two linear layers with a nonlinearity between them: (n, inputs) -> (n, classes)
    logits."""
    # No softmax at the end: cross_entropy takes logits.
    return nn.Sequential(nn.Linear(inputs, hidden), nn.Linear(hidden, classes))
