# caught by: dropout
# patch: Dropout on the bottleneck, between A and B.


class LoRALinear(nn.Module):
    """A frozen nn.Linear plus a trainable update of low rank.

    base: weight (out, in). A: (rank, in), random. B: (out, rank), zero: the layer starts as base.
    dropout: probability on the input of the adapter's branch; the base's branch has none.
    """

    def __init__(self, base: nn.Linear, rank: int, alpha: float, dropout: float = 0.0):
        super().__init__()
        self.base = base.requires_grad_(False)
        like_base = {"device": base.weight.device, "dtype": base.weight.dtype}
        self.A = nn.Parameter(torch.empty(rank, base.in_features, **like_base))
        self.B = nn.Parameter(torch.zeros(base.out_features, rank, **like_base))
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))  # as nn.Linear starts its own weight
        self.scaling = alpha / rank
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # Through the bottleneck: (…, in) -> (…, rank) -> (…, out). B @ A is never made here.
        update = F.linear(self.dropout(F.linear(x, self.A)), self.B)
        return self.base(x) + self.scaling * update

    @torch.no_grad()
    def merge(self) -> nn.Linear:
        """Return a plain layer that computes the same; this one stays as it is."""
        base = self.base
        merged = nn.Linear(
            base.in_features,
            base.out_features,
            bias=base.bias is not None,
            device=base.weight.device,
            dtype=base.weight.dtype,
        )
        merged.weight.copy_(base.weight + self.scaling * (self.B @ self.A))
        if base.bias is not None:
            merged.bias.copy_(base.bias)
        return merged
