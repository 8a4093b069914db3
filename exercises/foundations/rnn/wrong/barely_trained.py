# caught by: held_out
# patch: A learning rate a hundred times too small.


def fit(ids: torch.Tensor, alphabet_size: int, seed: int = 0) -> nn.Module:
    """Return a CharModel of alphabet_size ids, trained on the text from the seed."""
    torch.manual_seed(seed)
    model = CharModel(alphabet_size)
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-5)
    for _ in range(5):
        train_epoch(model, windows(ids, 16, 48), optimizer)
    return model
