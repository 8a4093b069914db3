# %% [markdown]
# # A character model with a recurrent network
#
# Predict the next character of the lessons that you are reading. The recurrence is your own; its
# state runs through the whole text, its gradient only through one window.
#
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Check with `tutor check foundations/rnn`.

# %%
from collections.abc import Iterable, Iterator

import torch
from torch import nn

# %% [markdown]
# ## Characters as numbers (given)


# %%
def encode(text: str, alphabet: str) -> torch.Tensor:
    """Return the ids (n,) of the characters: their places in the alphabet, and len(alphabet) for
    a character that it lacks."""
    place = {character: i for i, character in enumerate(alphabet)}
    return torch.tensor([place.get(character, len(alphabet)) for character in text])


# %% [markdown]
# ## The recurrence
#
# `h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh)`, the network of Elman 1990, as `nn.RNN` has
# it. Name the parameters `weight_ih`, `weight_hh`, `bias_ih` and `bias_hh`.


# %%
class RNN(nn.Module):
    """weight_ih: (hidden, inputs). weight_hh: (hidden, hidden). Both biases: (hidden,)."""

    def __init__(self, inputs: int, hidden: int):
        super().__init__()
        raise NotImplementedError("RNN.__init__: two matrices and two biases")

    def forward(
        self, x: torch.Tensor, h: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """x: (batch, time, inputs). h: the state before, (batch, hidden); None: zeros.

        Return the states at all times, (batch, time, hidden), and the last one, (batch, hidden).
        """
        raise NotImplementedError("RNN.forward: one state after another")


class CharModel(nn.Module):
    """Embedding, RNN and a linear layer back to the alphabet (given)."""

    def __init__(self, ids: int, hidden: int = 128):
        super().__init__()
        self.embedding = nn.Embedding(ids, 32)
        self.rnn = RNN(32, hidden)
        self.output = nn.Linear(hidden, ids)

    def forward(
        self, ids: torch.Tensor, h: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the logits of each next character, (batch, time, ids), and the last state."""
        states, h = self.rnn(self.embedding(ids), h)
        return self.output(states), h


# %% [markdown]
# ## Windows
#
# Cut the text into `batch_size` streams that are read side by side, `length` characters at a
# time: row b of a window goes on where row b of the window before stopped.


# %%
def windows(
    ids: torch.Tensor, batch_size: int, length: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield inputs and targets, each (batch_size, length), in the order of the text. A target is
    the character after its input. The last window may be shorter, or be left out."""
    raise NotImplementedError("windows: streams, and targets that are one character ahead")


# %% [markdown]
# ## Training and measuring


# %%
def train_epoch(
    model: nn.Module,
    data: Iterable[tuple[torch.Tensor, torch.Tensor]],
    optimizer: torch.optim.Optimizer,
    max_norm: float = 1.0,
) -> float:
    """Take one step for each window; `model(inputs, h)` returns (logits, h).

    The state starts as None and is handed on from window to window, its graph is not. The norm of
    all gradients together is clipped to max_norm. Return the mean cross-entropy of the windows.
    """
    raise NotImplementedError("train_epoch: hand the state on, cut its graph, clip the gradients")


def cross_entropy(model: nn.Module, ids: torch.Tensor) -> float:
    """Return the mean cross-entropy, in nats a character, of ids[1:], each predicted from all
    characters before it."""
    raise NotImplementedError("cross_entropy: predict each character from those before it")


def fit(ids: torch.Tensor, alphabet_size: int, seed: int = 0) -> nn.Module:
    """Return a CharModel of alphabet_size ids, trained on the text from the seed."""
    raise NotImplementedError("fit: a model, an optimizer, epochs over the windows")


# %% [markdown]
# ## Writing


# %%
def sample(
    model: nn.Module, prompt: torch.Tensor, length: int, temperature: float = 1.0, seed: int = 0
) -> list[int]:
    """Return the ids of `length` characters after the prompt (n,), each drawn from
    softmax(logits / temperature), given everything before it. The same seed, the same text."""
    raise NotImplementedError("sample: read the prompt, then draw and feed back")


# %% [markdown]
# ## Try it

# %%
if __name__ == "__main__":
    from exercises import lab

    text = lab.lessons("en")
    cut = len(text) * 9 // 10
    alphabet = "".join(sorted(set(text[:cut])))
    char_model = fit(encode(text[:cut], alphabet), len(alphabet) + 1)
    nats = cross_entropy(char_model, encode(text[cut:], alphabet))
    print(f"{len(alphabet)} characters; held out {nats:.3f} nats a character")
    for warmth in (0.3, 0.7, 1.2):
        ids = sample(char_model, encode("The model", alphabet), 200, warmth)
        print(f"\ntemperature {warmth}: The model" + "".join((alphabet + "?")[i] for i in ids))
