# caught by: scaled_by_training
# patch: The held-out part is scaled with its own statistics.


def standardize(train_x: torch.Tensor, other_x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return both, shifted and scaled so that each column of train_x has mean 0 and standard
    deviation 1. A column that is constant in train_x is shifted, not scaled.
    """
    # Of the training part only: at the time of training, the other part is the future.
    mean, std = train_x.mean(dim=0), train_x.std(dim=0)
    std = torch.where(std > 0, std, torch.ones_like(std))  # the corner pixels are always 0
    return (train_x - mean) / std, (other_x - other_x.mean(dim=0)) / other_x.std(dim=0).clamp(
        min=1e-3
    )
