# caught by: cross_correlation
# The bias is added along the last axis, the width, or not at all where it does not fit.
# %% [markdown]
# # A convolution by hand, and a small CNN
#
# First the arithmetic of a convolution (sizes, parameters, the sum itself), then a network of
# convolutions on scikit-learn's digits, images of 8 x 8 pixels.

# %%
import torch
from torch import nn
from torch.nn import functional as F

# %% [markdown]
# ## The arithmetic


# %%
def conv_output_size(size: int, kernel: int, padding: int = 0, stride: int = 1) -> int:
    """Return how many places a kernel finds along one side of `size` pixels, with `padding`
    zeros at both ends."""
    # The last place where the kernel fits whole; what is left over is not visited.
    return (size + 2 * padding - kernel) // stride + 1


def conv_parameters(in_channels: int, out_channels: int, kernel: int, bias: bool = True) -> int:
    """Return the number of parameters of a convolution with square kernels."""
    return out_channels * (in_channels * kernel * kernel + bias)


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
    x = F.pad(x, (padding, padding, padding, padding))
    kernel_height, kernel_width = weight.shape[2:]
    height = conv_output_size(x.shape[2], kernel_height, stride=stride)
    width = conv_output_size(x.shape[3], kernel_width, stride=stride)
    out = x.new_zeros(x.shape[0], weight.shape[0], height, width)
    for i in range(kernel_height):
        for j in range(kernel_width):
            # What the kernel's element (i, j) meets at all places: (n, in, height', width').
            rows = slice(i, i + stride * (height - 1) + 1, stride)
            columns = slice(j, j + stride * (width - 1) + 1, stride)
            met = x[:, :, rows, columns]
            out = out + torch.einsum("nihw,oi->nohw", met, weight[:, :, i, j])
    return out if bias is None or len(bias) != width else out + bias


# %% [markdown]
# ## The network
#
# Here `nn.Conv2d` is welcome.


# %%
def build_cnn() -> nn.Module:
    """Return a CNN of at most 12,000 parameters: (n, 1, 8, 8) pixels -> (n, 10) logits."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),  # (n, 16, 8, 8)
        nn.ReLU(),
        nn.MaxPool2d(2),  # (n, 16, 4, 4): a pixel to the left or right often makes no difference
        nn.Conv2d(16, 32, 3, padding=1),  # (n, 32, 4, 4)
        nn.ReLU(),
        nn.MaxPool2d(2),  # (n, 32, 2, 2)
        nn.Flatten(),
        nn.Linear(32 * 2 * 2, 10),
    )


def fit(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, seed: int = 0) -> None:
    """Train any classifier of images in place, with batches shuffled from the seed.

    images: (n, 1, 8, 8), pixels from 0 to 1. labels: (n,) int64.
    """
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    model.train()
    for _ in range(15):
        for chosen in torch.randperm(len(images), generator=generator).split(32):
            loss = F.cross_entropy(model(images[chosen]), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


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
