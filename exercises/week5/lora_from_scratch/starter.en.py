# %% [markdown]
# # LoRA from scratch
#
# Write the layer of Hu et al. 2021 (arXiv 2106.09685), section 4.1:
# `h = W0 x + (alpha / r) B A x`, with W0 frozen, A random and B zero.
#
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Check with `tutor check week5/lora_from_scratch`.

# %%
import torch
from torch import nn

# %% [markdown]
# ## The layer
#
# Shapes: base.weight (out, in), A (rank, in), B (out, rank). Keep the base layer as `self.base`
# and the two matrices as `self.A` and `self.B`.


# %%
class LoRALinear(nn.Module):
    """A frozen nn.Linear plus a trainable update of low rank.

    dropout: probability on the input of the adapter's branch; the base's branch has none.
    """

    def __init__(self, base: nn.Linear, rank: int, alpha: float, dropout: float = 0.0):
        super().__init__()
        self.base = base
        raise NotImplementedError("LoRALinear.__init__: freeze the base, make A and B")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError("LoRALinear.forward: base(x) plus the scaled update")

    def merge(self) -> nn.Linear:
        """Return a new nn.Linear that computes the same in one product; this one stays as it is."""
        raise NotImplementedError("LoRALinear.merge: a new layer with W0 + (alpha / r) B A")


# %% [markdown]
# ## Into a model


# %%
def inject(model: nn.Module, target_names: list[str], rank: int, alpha: float) -> nn.Module:
    """Freeze the model, and put a LoRALinear in the place of each nn.Linear whose own name (the
    last part of its path: "q_proj") is one of target_names. Return the model, changed in place.
    """
    raise NotImplementedError("inject: freeze, then replace the layers by name")


# %% [markdown]
# ## Try it

# %%
if __name__ == "__main__":
    torch.manual_seed(0)
    layer = LoRALinear(nn.Linear(64, 32), rank=4, alpha=8)
    trainable = sum(p.numel() for p in layer.parameters() if p.requires_grad)
    print(f"{trainable} trainable parameters; the base has {64 * 32 + 32}")
