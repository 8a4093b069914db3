# caught by: held_out_accuracy
# patch: A single pass over the data.


def fit(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, seed: int = 0) -> None:
    """Train any classifier of images in place, with batches shuffled from the seed.

    images: (n, 1, 8, 8), pixels from 0 to 1. labels: (n,) int64.
    """
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    model.train()
    for _ in range(1):
        for chosen in torch.randperm(len(images), generator=generator).split(32):
            loss = F.cross_entropy(model(images[chosen]), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
