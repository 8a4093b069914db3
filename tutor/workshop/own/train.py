"""SFT, then DPO, of a LoRA adapter, for as long as there is time; gone on with after a kill.

A loop of its own in place of trl's trainers, with their losses: what shares a prompt is computed
as one sequence (packed.py), which the trainers cannot, and a step that would take six seconds
takes three. SFT: mean negative log-likelihood of the written tokens. DPO: arXiv:2305.18290,
equation 7, with the chosen answer's own likelihood beside it (arXiv:2404.19733, equation 1), so
that it does not fall with the rejected one's.
"""

from __future__ import annotations

import ctypes
import math
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from peft import set_peft_model_state_dict as put_adapter
from torch.nn.functional import logsigmoid

from tutor.base.i18n import say
from tutor.workshop import files
from tutor.workshop.own.bases import Recipe
from tutor.workshop.own.packed import Packed, Text, log_probabilities, pack

BATCH = 4
"""Examples for one step of the optimizer."""
EPOCHS = 2
BETA = 0.1
LIKELIHOOD = 0.2
"""Weight of the chosen answer's own likelihood in DPO."""
WARM_UP = 0.05
SAVE_S, TELL_S = 60.0, 30.0
MEASURED = 3
"""Steps by which the speed is told first."""
HELD_OUT = 24

Say = Callable[[str], None]
Loss = Callable[[Any], tuple[torch.Tensor, int]]
"""Of one item: the loss, and the tokens computed."""


@dataclass
class Progress:
    """How far a phase is. elapsed: seconds of training, over all attempts. curve: (step, loss)."""

    step: int = 0
    seen: int = 0
    tokens: int = 0
    elapsed: float = 0.0
    curve: list[tuple[int, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Phase:
    """name: of its checkpoint. seconds: of training. rate: the peak learning rate."""

    name: str
    folder: Path
    seconds: float
    rate: float

    @property
    def checkpoint(self) -> Path:
        return self.folder / f"{self.name}.pt"


def adapted(base: Any, chosen: Recipe) -> PeftModel:
    """Return the base with a fresh adapter, the same on every call."""
    torch.manual_seed(0)
    modules = chosen.modules if isinstance(chosen.modules, str) else list(chosen.modules)
    config = LoraConfig(
        r=chosen.rank, lora_alpha=2 * chosen.rank, target_modules=modules, task_type="CAUSAL_LM"
    )
    return get_peft_model(base, config)


def train(
    phase: Phase, model: PeftModel, items: Sequence[Any], loss_of: Loss, tell: Say
) -> Progress:
    """Train until the time is used, or every item has been seen EPOCHS times; at least one step."""
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=phase.rate, weight_decay=0.0)
    done = _resume(phase, model, optimizer)
    whole = EPOCHS * len(items)
    first, saved, told = done.step, time.monotonic(), time.monotonic()
    while not done.step or (done.elapsed < phase.seconds and done.seen < whole):
        began = time.monotonic()
        batch = [items[place] for place in _places(done.seen, len(items))]
        loss = 0.0
        for item in batch:
            each, tokens = loss_of(item)
            (each / len(batch)).backward()
            loss += each.item() / len(batch)
            done.tokens += tokens
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        used = max(done.elapsed / max(phase.seconds, 1e-9), done.seen / whole)
        for group in optimizer.param_groups:
            group["lr"] = phase.rate * schedule(used)
        optimizer.step()
        optimizer.zero_grad()
        _give_back()
        done.step += 1
        done.seen += len(batch)
        done.elapsed += time.monotonic() - began
        done.curve.append((done.step, round(loss, 4)))
        if done.step == first + MEASURED or time.monotonic() - told > TELL_S:
            tell(_state(phase, done, whole))
            told = time.monotonic()
        if time.monotonic() - saved > SAVE_S:
            _save(phase, model, optimizer, done)
            saved = time.monotonic()
    _save(phase, model, optimizer, done)
    return done


def _give_back() -> None:
    """Return the memory of the step to the system. Sequences of every length leave the heap in
    pieces that none of the next fit: the 135M's training grew to 8.8 GB in half an hour, for a
    step of 3.5 GB."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None:
        trim(0)  # glibc's; others do so by themselves


def schedule(used: float) -> float:
    """Return the learning rate's share of its peak: a warm-up, then a cosine to a twentieth.

    By the share of the time used, not of steps: other work on the machine changes their number.
    """
    if used < WARM_UP:
        return (used + 0.01) / (WARM_UP + 0.01)
    return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(used, 1.0)))


def _places(seen: int, count: int) -> Iterator[int]:
    """Yield which items come next: each epoch in an order of its own, the same on every run."""
    for number in range(seen, seen + BATCH):
        order = list(range(count))
        random.Random(number // count).shuffle(order)
        yield order[number % count]


def _state(phase: Phase, done: Progress, whole: int) -> str:
    speed = done.tokens / done.elapsed
    a_step = done.elapsed / done.step
    steps = min(int(phase.seconds / a_step), math.ceil(whole / BATCH))
    recent = [loss for _, loss in done.curve[-20:]]
    loss = sum(recent) / len(recent)
    minutes = max(0.0, steps * a_step - done.elapsed) / 60
    return say(
        f"{phase.name}: step {done.step} of about {steps}, loss {loss:.3f}, {speed:.0f} tokens/s, "
        f"{minutes:.0f} min left",
        f"{phase.name}：第 {done.step} 步，共约 {steps} 步，损失 {loss:.3f}，{speed:.0f} token/s，"
        f"还需 {minutes:.0f} 分钟",
    )


def _resume(phase: Phase, model: PeftModel, optimizer: Any) -> Progress:
    if not phase.checkpoint.exists():
        return Progress()
    state = torch.load(phase.checkpoint, weights_only=True)
    put_adapter(model, state["adapter"])
    optimizer.load_state_dict(state["optimizer"])
    return Progress(**state["progress"])


def _save(phase: Phase, model: PeftModel, optimizer: Any, done: Progress) -> None:
    state = {
        "adapter": get_peft_model_state_dict(model),
        "optimizer": optimizer.state_dict(),
        "progress": asdict(done),
    }
    with files.written(phase.checkpoint) as part:
        torch.save(state, part)


def sft_loss(model: Any) -> Loss:
    """Of texts with one prompt's beginning: what is to be written, in nats a token."""

    def loss(texts: Sequence[Text]) -> tuple[torch.Tensor, int]:
        packed = pack(texts)
        return -log_probabilities(model, packed).mean(), packed.tokens

    return loss


@dataclass(frozen=True)
class Pair:
    """A chosen and a rejected text of one prompt."""

    chosen: Text
    rejected: Text


def dpo_loss(model: PeftModel) -> Loss:
    """Of a pair, beside the adapter named "reference", which is the model after SFT."""

    def loss(pair: Pair) -> tuple[torch.Tensor, int]:
        packed = pack([pair.chosen, pair.rejected])
        own = _sums(model, packed)
        reward = BETA * margin(own, _reference_sums(model, packed))
        likelihood = own[0] / len(pair.chosen.target)
        return -logsigmoid(reward) - LIKELIHOOD * likelihood, 2 * packed.tokens

    return loss


def margin(own: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """How much more likely than the reference the chosen answer has become, less the same for the
    rejected one. Both: (chosen, rejected) log-probabilities in nats."""
    return (own[0] - reference[0]) - (own[1] - reference[1])


def _sums(model: Any, packed: Packed) -> torch.Tensor:
    each = log_probabilities(model, packed)
    return torch.zeros(2).index_add(0, packed.owner, each)


@torch.no_grad()
def _reference_sums(model: PeftModel, packed: Packed) -> torch.Tensor:
    model.set_adapter("reference")
    try:
        return _sums(model, packed)
    finally:
        model.set_adapter("default")


@torch.no_grad()
def held_out_loss(model: Any, items: Sequence[Sequence[Text]]) -> float:
    """Return the mean negative log-likelihood of what is to be written, in nats a token."""
    total, count = 0.0, 0
    for texts in items[:HELD_OUT]:
        each = log_probabilities(model, pack(texts))
        total -= each.sum().item()
        count += len(each)
    return total / max(count, 1)


@torch.no_grad()
def held_out_margin(model: PeftModel, pairs: Sequence[Pair]) -> dict[str, float]:
    """Return the mean reward margin, and the share of pairs in which it is positive."""
    margins = []
    for pair in pairs[:HELD_OUT]:
        packed = pack([pair.chosen, pair.rejected])
        margins.append(BETA * margin(_sums(model, packed), _reference_sums(model, packed)).item())
    count = max(len(margins), 1)
    return {
        "reward_margin": round(sum(margins) / count, 4),
        "preferred": round(sum(m > 0 for m in margins) / count, 4),
        "pairs": len(margins),
    }
