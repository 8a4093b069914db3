# %% [markdown]
# # A training loop by hand
#
# Train a network with one hidden layer on scikit-learn's digits: 1,797 images of 8 x 8 pixels,
# ten classes. You write everything that a `Trainer` would do for you later.
#
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Check with `tutor check foundations/mlp`.

# %%
from collections.abc import Iterable, Iterator

import torch
from torch import nn

# %% [markdown]
# ## Data
#
# `x` is (n, inputs) float32, `y` is (n,) int64.


# %%
def standardize(train_x: torch.Tensor, other_x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return both, shifted and scaled so that each column of train_x has mean 0 and standard
    deviation 1. A column that is constant in train_x is shifted, not scaled.
    """
    raise NotImplementedError("standardize: mean and standard deviation of which part?")


def batches(
    x: torch.Tensor, y: torch.Tensor, batch_size: int, generator: torch.Generator
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield (x, y) mini-batches: every example once, in a new random order drawn from the
    generator. The last batch may be smaller."""
    raise NotImplementedError("batches: one random order for both x and y")


# %% [markdown]
# ## Model


# %%
def build_model(inputs: int = 64, hidden: int = 64, classes: int = 10) -> nn.Module:
    """Return two linear layers with a nonlinearity between them: (n, inputs) -> (n, classes)
    logits."""
    raise NotImplementedError("build_model: two linear layers and a nonlinearity")


# %% [markdown]
# ## The loop


# %%
def train_epoch(
    model: nn.Module,
    data: Iterable[tuple[torch.Tensor, torch.Tensor]],
    optimizer: torch.optim.Optimizer,
) -> float:
    """Take one optimizer step for each batch of data, in training mode.

    Return the mean cross-entropy over the examples of the epoch (not over the batches), in nats.
    """
    raise NotImplementedError("train_epoch: forward, loss, clear, backward, step")


def evaluate(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    """Return the accuracy, between 0 and 1, in evaluation mode and without gradients.

    The model is left in the mode in which it came.
    """
    raise NotImplementedError("evaluate: eval mode, no gradients, the share that is right")


def fit(
    model: nn.Module,
    train: tuple[torch.Tensor, torch.Tensor],
    held_out: tuple[torch.Tensor, torch.Tensor],
    epochs: int = 20,
    batch_size: int = 32,
    seed: int = 0,
) -> list[dict[str, float]]:
    """Train the model in place; return {"loss": …, "accuracy": …} for each epoch: the training
    loss of that epoch, and the accuracy on held_out after it."""
    raise NotImplementedError("fit: an optimizer, a generator, and the epochs")


# %% [markdown]
# ## Try it

# %%
if __name__ == "__main__":
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    torch.manual_seed(0)
    parts = train_test_split(*load_digits(return_X_y=True), random_state=0)
    train_x, test_x, train_y, test_y = map(torch.tensor, parts)
    train_x, test_x = standardize(train_x.float(), test_x.float())
    for epoch, figures in enumerate(fit(build_model(), (train_x, train_y), (test_x, test_y))):
        print(f"{epoch:2}  loss {figures['loss']:.4f}  held-out accuracy {figures['accuracy']:.3f}")
