"""What a training exercise's Trainer costs beside a bare loop: python benchmarks/train.py

Each exercise's solution is run as it is until it calls `trainer.train()`. Then either the Trainer
goes on as under `tutor run` (checkpoints, reports and all), or a loop by hand over the same model,
batches, loss and optimizer does: forward, backward, clip, step. Each in a process of its own, in
turns; the first step is left out of the time. Tokens are those that go through the model, padding
included. The loss by hand is the model's own; that of DPO is written out here.

Exercises with a loop of their own (week3/pretrain_tiny, week5/adapters) are bare already.
Needs the models (`tutor setup`); nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import inspect
import json
import resource
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

from exercises import protocol, sandbox
from exercises.spec import find_one

EXERCISES = ("week2/finetune_bert", "week5/lora", "week5/qlora", "week8/sft", "week8/dpo")
HOW = ("trainer", "bare")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("exercises", nargs="*", default=list(EXERCISES))
    parser.add_argument("--steps", type=int, default=9, help="optimizer steps, the first not timed")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--one", choices=HOW, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.one:
        _measure(wanted.exercises[0], wanted.one, wanted.steps)
        return
    print(f"{'exercise':<22} {'Trainer':>9} {'bare loop':>10} {'ratio':>6} {'peak memory':>20}")
    for exercise in wanted.exercises:
        found = [
            (how, _in_a_process(exercise, how, wanted.steps))
            for _ in range(wanted.rounds)
            for how in HOW
        ]
        speeds, peaks = (
            {how: statistics.median(each[name] for h, each in found if h == how) for how in HOW}
            for name in ("tokens_per_s", "peak_mb")
        )
        ratio = speeds["trainer"] / speeds["bare"]
        print(
            f"{exercise:<22} {speeds['trainer']:>7.0f}/s {speeds['bare']:>8.0f}/s {ratio:>6.2f} "
            f"{peaks['trainer']:>6.0f} and {peaks['bare']:>5.0f} MB",
            flush=True,
        )


def _in_a_process(exercise: str, how: str, steps: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        ended = subprocess.run(
            [sys.executable, __file__, exercise, "--one", how, "--steps", str(steps)],
            env=sandbox.environment({protocol.RUN_DIR: folder}),
            capture_output=True,
            text=True,
        )
    if ended.returncode:
        sys.exit(ended.stderr)
    figures: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
    return figures


class _Done(Exception):
    """Enough was measured; the rest of the script is not run."""


def _measure(exercise: str, how: str, steps: int) -> None:
    from transformers import Trainer

    whole = Trainer.train
    clock = _Clock()

    def train(trainer: Any, **_: Any) -> None:
        trainer.args.max_steps = steps
        trainer.model.register_forward_pre_hook(clock.count, with_kwargs=True)
        if how == "trainer":
            trainer.add_callback(clock.callback())
            whole(trainer)
        else:
            _bare(trainer, steps, clock)
        raise _Done

    Trainer.train = train
    with contextlib.suppress(_Done), contextlib.redirect_stdout(sys.stderr):
        runpy.run_path(str(find_one(exercise).folder / "solution.py"), run_name="__main__")
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"tokens_per_s": clock.speed(), "peak_mb": kilobytes / 1024}))


def _bare(trainer: Any, steps: int, clock: _Clock) -> None:
    import torch

    model, arguments = trainer.model, trainer.args
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = trainer.create_optimizer()
    batches = _forever(trainer)
    takes = set(inspect.signature(_innermost(model).forward).parameters)
    preferences = type(trainer).__name__ == "DPOTrainer"
    model.train()
    for _ in range(steps):
        for _ in range(arguments.gradient_accumulation_steps):
            batch = next(batches)
            if preferences:
                loss = _dpo_loss(model, batch, trainer.beta)
            else:
                loss = model(**{name: batch[name] for name in batch if name in takes}).loss
            (loss / arguments.gradient_accumulation_steps).backward()
        torch.nn.utils.clip_grad_norm_(trained, arguments.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        clock.tick()


def _dpo_loss(model: Any, batch: dict[str, Any], beta: float) -> Any:
    """Equation 7 of Rafailov et al. 2023. batch: the chosen rows, then the rejected ones."""
    import torch

    def log_probs() -> Any:
        logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        of_tokens = -torch.nn.functional.cross_entropy(
            logits[:, :-1].transpose(1, 2).float(), batch["input_ids"][:, 1:], reduction="none"
        )
        return (of_tokens * batch["completion_mask"][:, 1:]).sum(1)

    policy = log_probs()
    with torch.no_grad(), model.disable_adapter():
        reference = log_probs()
    chosen, rejected = (policy - reference).chunk(2)
    return -torch.nn.functional.logsigmoid(beta * (chosen - rejected)).mean()


def _forever(trainer: Any) -> Any:
    while True:
        yield from trainer.get_train_dataloader()


def _innermost(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "get_base_model") else model


class _Clock:
    """Counts the tokens that go through a model from the end of the first step to that of the last:
    what is evaluated afterwards does not count."""

    def __init__(self) -> None:
        self.tokens = self.until_last = 0
        self.began = self.last = 0.0

    def count(self, _: Any, positional: tuple[Any, ...], named: dict[str, Any]) -> None:
        if self.began:
            ids = named["input_ids"] if "input_ids" in named else positional[0]
            self.tokens += ids.numel()

    def tick(self) -> None:
        self.last = time.perf_counter()
        self.began = self.began or self.last
        self.until_last = self.tokens

    def speed(self) -> float:
        return self.until_last / (self.last - self.began)

    def callback(self) -> Any:
        from transformers import TrainerCallback

        clock = self

        class Tick(TrainerCallback):
            def on_step_end(self, *_: Any, **__: Any) -> None:
                clock.tick()

        return Tick()


if __name__ == "__main__":
    main()
