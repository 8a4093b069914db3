# caught by: modes
# Accuracy measured with dropout on.
# %% [markdown]
# # A training loop by hand
#
# A network with one hidden layer on scikit-learn's digits: 1,797 images of 8 x 8 pixels, ten
# classes.

# %%
from collections.abc import Iterable, Iterator

import torch
from torch import nn
from torch.nn import functional as F

# %% [markdown]
# ## Data
#
# `x` is (n, inputs) float32, `y` is (n,) int64.


# %%
def standardize(train_x: torch.Tensor, other_x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return both, shifted and scaled so that each column of train_x has mean 0 and standard
    deviation 1. A column that is constant in train_x is shifted, not scaled.
    """
    # Of the training part only: at the time of training, the other part is the future.
    mean, std = train_x.mean(dim=0), train_x.std(dim=0)
    std = torch.where(std > 0, std, torch.ones_like(std))  # the corner pixels are always 0
    return (train_x - mean) / std, (other_x - mean) / std


def batches(
    x: torch.Tensor, y: torch.Tensor, batch_size: int, generator: torch.Generator
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield (x, y) mini-batches: every example once, in a new random order drawn from the
    generator. The last batch may be smaller."""
    order = torch.randperm(len(x), generator=generator)
    for chosen in order.split(batch_size):
        yield x[chosen], y[chosen]


# %% [markdown]
# ## Model


# %%
def build_model(inputs: int = 64, hidden: int = 64, classes: int = 10) -> nn.Module:
    """Return two linear layers with a nonlinearity between them: (n, inputs) -> (n, classes)
    logits."""
    # No softmax at the end: cross_entropy takes logits.
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, classes))


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
    model.train()
    total, examples = 0.0, 0
    for x, y in data:
        loss = F.cross_entropy(model(x), y)  # the mean over this batch
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(y)  # .item(): a number, without the graph behind it
        examples += len(y)
    return total / examples


def evaluate(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    """Return the accuracy, between 0 and 1, in evaluation mode and without gradients.

    The model is left in the mode in which it came.
    """
    was_training = model.training
    with torch.no_grad():
        predicted = model(x).argmax(dim=1)
    model.train(was_training)
    return (predicted == y).float().mean().item()


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
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    generator = torch.Generator().manual_seed(seed)  # one for all epochs: each has its own order
    history = []
    for _ in range(epochs):
        loss = train_epoch(model, batches(*train, batch_size, generator), optimizer)
        history.append({"loss": loss, "accuracy": evaluate(model, *held_out)})
    return history


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
