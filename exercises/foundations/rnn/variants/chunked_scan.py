# Another style: RNNCell-like einsum, one-hot inputs, AdamW, measuring in chunks, sampling by numpy.
import numpy as np
import torch


def encode(text, alphabet):
    return torch.tensor([alphabet.index(c) if c in alphabet else len(alphabet) for c in text])


class RNN(torch.nn.Module):
    def __init__(self, inputs, hidden):
        super().__init__()
        self.weight_ih = torch.nn.Parameter(torch.randn(hidden, inputs) * 0.1)
        self.weight_hh = torch.nn.Parameter(torch.nn.init.orthogonal_(torch.empty(hidden, hidden)))
        self.bias_ih = torch.nn.Parameter(torch.zeros(hidden))
        self.bias_hh = torch.nn.Parameter(torch.zeros(hidden))

    def forward(self, x, h=None):
        state = torch.zeros(len(x), len(self.weight_hh)) if h is None else h
        out = []
        for step in x.unbind(1):
            drive = step @ self.weight_ih.T + state @ self.weight_hh.T
            state = (drive + self.bias_ih + self.bias_hh).tanh()
            out.append(state[:, None])
        return torch.cat(out, 1), state


class CharModel(torch.nn.Module):
    def __init__(self, ids, hidden=128):
        super().__init__()
        self.ids = ids
        self.rnn = RNN(ids, hidden)
        self.output = torch.nn.Linear(hidden, ids)

    def forward(self, ids, h=None):
        states, h = self.rnn(torch.nn.functional.one_hot(ids, self.ids).float(), h)
        return self.output(states), h


def windows(ids, batch_size, length):
    size = (len(ids) - 1) // batch_size
    starts = torch.arange(batch_size) * size
    made = []
    for at in range(0, size - length + 1, length):  # what is left over is left out
        places = starts[:, None] + at + torch.arange(length)
        made.append((ids[places], ids[places + 1]))
    return made


def train_epoch(model, data, optimizer, max_norm=1.0):
    model.train()
    state, total, count = None, 0.0, 0
    for inputs, targets in data:
        optimizer.zero_grad()
        logits, state = model(inputs, state)
        state = state.detach()
        loss = torch.nn.CrossEntropyLoss()(logits.transpose(1, 2), targets)
        loss.backward()
        norm = torch.sqrt(sum((p.grad**2).sum() for p in model.parameters()))
        if norm > max_norm:
            for p in model.parameters():
                p.grad *= max_norm / norm
        optimizer.step()
        total, count = total + loss.item() * targets.numel(), count + targets.numel()
    return total / count


@torch.inference_mode()
def cross_entropy(model, ids):
    state, total = None, 0.0
    for inputs, targets in zip(ids[:-1].split(100), ids[1:].split(100), strict=True):
        logits, state = model(inputs.unsqueeze(0), state)
        total -= logits[0].log_softmax(-1).gather(1, targets[:, None]).sum().item()
    return total / (len(ids) - 1)


def fit(ids, alphabet_size, seed=0):
    torch.manual_seed(seed)
    model = CharModel(alphabet_size)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(5):
        train_epoch(model, windows(ids, 16, 40), optimizer)
    return model


@torch.inference_mode()
def sample(model, prompt, length, temperature=1.0, seed=0):
    random = np.random.default_rng(seed)
    ids = prompt.tolist()
    for _ in range(length):
        logits = model(torch.tensor([ids]))[0][0, -1].double() / temperature
        p = torch.softmax(logits, 0).numpy()
        ids.append(int(random.choice(len(p), p=p / p.sum())))
    return torch.tensor(ids[len(prompt) :])
