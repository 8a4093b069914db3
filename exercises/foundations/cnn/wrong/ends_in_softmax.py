# caught by: model
# patch: Probabilities instead of logits.


def build_cnn() -> nn.Module:
    """Return a CNN of at most 12,000 parameters: (n, 1, 8, 8) pixels -> (n, 10) logits."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),  # (n, 16, 8, 8)
        nn.ReLU(),
        nn.MaxPool2d(2),  # (n, 16, 4, 4): a pixel to the left or right often makes no difference
        nn.Conv2d(16, 32, 3, padding=1),  # (n, 32, 4, 4)
        nn.ReLU(),
        nn.MaxPool2d(2),  # (n, 32, 2, 2)
        nn.Flatten(),
        nn.Linear(32 * 2 * 2, 10),
        nn.Softmax(dim=1),
    )
