# %% [markdown]
# # A convolution by hand, and a small CNN
#
# First the arithmetic of a convolution (sizes, parameters, the sum itself), then a network of
# convolutions on scikit-learn's digits, images of 8 x 8 pixels.
#
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Check with `tutor check foundations/cnn`.

# %%
import torch
from torch import nn

# %% [markdown]
# ## The arithmetic


# %%
def conv_output_size(size: int, kernel: int, padding: int = 0, stride: int = 1) -> int:
    """Return how many places a kernel finds along one side of `size` pixels, with `padding`
    zeros at both ends."""
    raise NotImplementedError("conv_output_size: count the places where the kernel fits")


def conv_parameters(in_channels: int, out_channels: int, kernel: int, bias: bool = True) -> int:
    """Return the number of parameters of a convolution with square kernels."""
    raise NotImplementedError("conv_parameters: how large is one kernel, and how many are there")


# %% [markdown]
# ## The convolution
#
# Without `torch.nn.functional.conv2d` and its kin. Deep learning's convolution does not flip the
# kernel: it is a cross-correlation.


# %%
def conv2d(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    padding: int = 0,
    stride: int = 1,
) -> torch.Tensor:
    """Return the cross-correlation of x with each kernel, by elementary tensor operations.

    x: (n, in, height, width). weight: (out, in, kernel height, kernel width). bias: (out,).
    Returns (n, out, height', width'). Gradients flow through it.
    """
    raise NotImplementedError("conv2d: pad, then sum over the kernel's places and the channels")


# %% [markdown]
# ## The network
#
# Here `nn.Conv2d` is welcome.


# %%
def build_cnn() -> nn.Module:
    """Return a CNN of at most 12,000 parameters: (n, 1, 8, 8) pixels -> (n, 10) logits."""
    raise NotImplementedError("build_cnn: convolutions, nonlinearities, pooling, a linear layer")


def fit(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, seed: int = 0) -> None:
    """Train any classifier of images in place, with batches shuffled from the seed.

    images: (n, 1, 8, 8), pixels from 0 to 1. labels: (n,) int64.
    """
    raise NotImplementedError("fit: the loop of foundations/mlp")


# %% [markdown]
# ## Try it

# %%
if __name__ == "__main__":
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    torch.manual_seed(0)
    x, y = load_digits(return_X_y=True)
    x = torch.tensor(x).float().reshape(-1, 1, 8, 8) / 16
    train_x, test_x, train_y, test_y = train_test_split(x, torch.tensor(y), random_state=0)
    mlp = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    for name, model in (("MLP", mlp), ("CNN", build_cnn())):
        fit(model, train_x, train_y)
        model.eval()
        for shift in (0, 1):
            # One pixel to the right; a column of zeros comes in on the left.
            moved = nn.functional.pad(test_x, (shift, 0))[..., :8]
            accuracy = (model(moved).argmax(1) == test_y).float().mean()
            print(f"{name}, moved by {shift}: {accuracy:.3f}")
