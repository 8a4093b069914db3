# caught by: inject
# Only the model's own children are looked at, not the layers inside them.
# %% [markdown]
# # LoRA from scratch
#
# Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models" (arXiv 2106.09685),
# section 4.1: `h = W0 x + (alpha / r) B A x`, with W0 frozen.

# %%
import math

import torch
from torch import nn
from torch.nn import functional as F

# %% [markdown]
# ## The layer


# %%
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
        update = F.linear(F.linear(self.dropout(x), self.A), self.B)
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


# %% [markdown]
# ## Into a model


# %%
def inject(model: nn.Module, target_names: list[str], rank: int, alpha: float) -> nn.Module:
    """Freeze the model, and put a LoRALinear in the place of each nn.Linear whose own name (the
    last part of its path: "q_proj") is one of target_names. Return the model, changed in place.
    """
    model.requires_grad_(False)
    # A list first: the tree must not change while it is walked.
    for path, module in list(model.named_children()):
        parent, _, name = path.rpartition(".")
        if name in target_names and isinstance(module, nn.Linear):
            setattr(model.get_submodule(parent), name, LoRALinear(module, rank, alpha))
    return model


# %% [markdown]
# ## Try it

# %%
if __name__ == "__main__":
    torch.manual_seed(0)
    layer = LoRALinear(nn.Linear(64, 32), rank=4, alpha=8)
    trainable = sum(p.numel() for p in layer.parameters() if p.requires_grad)
    print(f"{trainable} trainable parameters; the base has {64 * 32 + 32}")
