# caught by: survives_shifts
# patch: An MLP behind a convolution of one pixel: nothing is shared.


def build_cnn() -> nn.Module:
    """Return a CNN of at most 12,000 parameters: (n, 1, 8, 8) pixels -> (n, 10) logits."""
    return nn.Sequential(
        nn.Conv2d(1, 1, 1),
        nn.Flatten(),
        nn.Linear(64, 100),
        nn.ReLU(),
        nn.Linear(100, 10),
    )
