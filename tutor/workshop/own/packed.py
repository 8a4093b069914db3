"""One sequence for all that is written after the same words.

A prompt of the tutor's is twenty times as long as its answer. What shares one (a decision and an
answer; a chosen and a rejected answer) is put behind it as branches: each branch sees the common
prefix and itself, at the positions that it would have alone. The numbers are those of separate
sequences, at half their cost; the test of this module compares them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from tutor.engine import Message


@dataclass(frozen=True)
class Text:
    """A prompt's token ids, and those that the model is to write after it, its end included."""

    prompt: tuple[int, ...]
    target: tuple[int, ...]


def encode(tokenizer: Any, messages: list[Message], target: str) -> Text:
    """Return the tokens as the engine gives them to the model, through its chat template."""
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    written = tokenizer(target, add_special_tokens=False)["input_ids"]
    return Text(tuple(ids), (*written, tokenizer.eos_token_id))


@dataclass(frozen=True)
class Packed:
    """Texts with a common prefix as one sequence.

    ids, positions: (1, tokens). mask: (1, 1, tokens, tokens), True where a token is seen.
    read: the places whose output predicts a target; predicted: the targets; owner: whose they are.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    read: torch.Tensor
    predicted: torch.Tensor
    owner: torch.Tensor

    @property
    def tokens(self) -> int:
        return self.ids.shape[1]


def pack(texts: Sequence[Text]) -> Packed:
    """Put texts into one sequence behind the words that they share."""
    import torch

    shared = _shared([text.prompt for text in texts])
    ids = list(texts[0].prompt[:shared])
    positions = list(range(shared))
    read, predicted, owner, branches = [], [], [], []
    for number, text in enumerate(texts):
        own = [*text.prompt[shared:], *text.target]
        start = len(ids)
        branches.append((start, start + len(own)))
        first = start + len(text.prompt) - shared
        for place, target in enumerate(text.target, first):
            read.append(place - 1)
            predicted.append(target)
            owner.append(number)
        ids += own
        positions += range(shared, shared + len(own))
    mask = torch.tril(torch.ones(len(ids), len(ids), dtype=torch.bool))
    for start, end in branches:
        mask[start:end, shared:start] = False
    return Packed(
        torch.tensor([ids]), torch.tensor([positions]), mask[None, None],
        torch.tensor(read), torch.tensor(predicted), torch.tensor(owner),
    )  # fmt: skip


def _shared(prompts: Sequence[tuple[int, ...]]) -> int:
    """How many tokens all prompts begin with, less one: the last of a prompt, which predicts the
    target's first token, is each branch's own."""
    length = min(map(len, prompts)) - 1
    for place in range(length):
        if len({prompt[place] for prompt in prompts}) > 1:
            return place
    return length


def log_probabilities(model: Any, packed: Packed) -> torch.Tensor:
    """Return the log-probability of each target token, (targets,), in nats; the output layer is
    computed for them alone."""
    import torch

    logits = model(
        input_ids=packed.ids,
        attention_mask=packed.mask,
        position_ids=packed.positions,
        logits_to_keep=packed.read,
        use_cache=False,
    ).logits[0]
    return torch.log_softmax(logits.float(), 1).gather(1, packed.predicted[:, None])[:, 0]
