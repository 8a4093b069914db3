# caught by: bottleneck
# fast
# patch: The activation is forgotten: a LoRA that cannot be merged.


class Bottleneck(nn.Module):
    """x + up(gelu(down(x))): features -> width -> features, both with a bias. up starts at zero,
    so that the module starts as the identity."""

    def __init__(self, features: int, width: int):
        super().__init__()
        self.down = nn.Linear(features, width)
        self.up = nn.Linear(width, features)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.up(self.down(x))


if __name__ == "__main__":
    pass  # a run could add nothing
