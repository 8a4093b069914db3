# Another style: im2col with F.unfold and one matrix product; batch norm, strides and mean pooling.
import torch
import torch.nn.functional as functional


def conv_output_size(size, kernel, padding=0, stride=1):
    return len(range(0, size + 2 * padding - kernel + 1, stride))


def conv_parameters(in_channels, out_channels, kernel, bias=True):
    weights = in_channels * out_channels * kernel**2
    return weights + out_channels if bias else weights


def conv2d(x, weight, bias=None, padding=0, stride=1):
    columns = functional.unfold(x, weight.shape[2:], padding=padding, stride=stride)
    result = weight.flatten(1) @ columns
    if bias is not None:
        result = result + bias[:, None]
    height, width = (
        conv_output_size(side, k, padding, stride)
        for side, k in zip(x.shape[2:], weight.shape[2:], strict=True)
    )
    return result.unflatten(2, (height, width))


class Cnn(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.one = torch.nn.Conv2d(1, 16, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(16)
        self.two = torch.nn.Conv2d(16, 32, 3, padding=1)
        self.out = torch.nn.Linear(128, 10)

    def forward(self, x):
        x = functional.max_pool2d(self.norm(self.one(x)).relu(), 2)
        x = functional.max_pool2d(self.two(x).relu(), 2)
        return self.out(x.flatten(1))


def build_cnn():
    return Cnn()


def fit(model, images, labels, seed=0):
    data = torch.utils.data.TensorDataset(images, labels)
    loader = torch.utils.data.DataLoader(
        data, 64, shuffle=True, generator=torch.Generator().manual_seed(seed)
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(25):
        model.train()
        for x, y in loader:
            optimizer.zero_grad()
            torch.nn.CrossEntropyLoss()(model(x), y).backward()
            optimizer.step()
