# caught by: scaled_by_training
# patch: A tiny epsilon instead of 1: a pixel that was always 0 becomes enormous.


def standardize(train_x: torch.Tensor, other_x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return both, shifted and scaled so that each column of train_x has mean 0 and standard
    deviation 1. A column that is constant in train_x is shifted, not scaled.
    """
    # Of the training part only: at the time of training, the other part is the future.
    mean, std = train_x.mean(dim=0), train_x.std(dim=0)
    std = std + 1e-8
    return (train_x - mean) / std, (other_x - mean) / std
