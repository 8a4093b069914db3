# caught by: scaled_by_training
# patch: Mean and deviation of both parts together: the held-out part leaks into training.


def standardize(train_x: torch.Tensor, other_x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return both, shifted and scaled so that each column of train_x has mean 0 and standard
    deviation 1. A column that is constant in train_x is shifted, not scaled.
    """
    # Of the training part only: at the time of training, the other part is the future.
    both = torch.cat([train_x, other_x])
    mean, std = both.mean(dim=0), both.std(dim=0)
    std = torch.where(std > 0, std, torch.ones_like(std))  # the corner pixels are always 0
    return (train_x - mean) / std, (other_x - mean) / std
