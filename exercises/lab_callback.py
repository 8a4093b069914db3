"""The Trainer callback of `exercises.lab`, apart because importing transformers takes seconds."""

from __future__ import annotations

import math
import time
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from exercises import lab, logits
from tutor.base.i18n import say


class ProgressCallback(TrainerCallback):
    """Reports each optimizer step of a transformers or trl Trainer to whoever watches the run.

    The loss is that of the Trainer's last log (logging_steps), the speed is in input tokens a
    second of this process where the Trainer counts them
    (`include_num_input_tokens_seen="all"`), else left out.
    """

    def __init__(self) -> None:
        self.loss: float | None = None
        self.began = 0.0
        self.tokens_before = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        logits.at_once()
        self.began = time.monotonic()
        self.tokens_before = _tokens(state)  # of the run that this one resumes

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        if logs and "loss" in logs:
            self.loss = float(logs["loss"])
            self._report(state)
            # The Trainer leaves a loss that is no number out of its mean; the gradient tells.
            for figure in (self.loss, float(logs.get("grad_norm", 0.0))):
                if not math.isfinite(figure):
                    raise ArithmeticError(_diverged(state.global_step))

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._report(state)
        if lab.stop_asked():
            control.should_training_stop = True

    def _report(self, state: TrainerState) -> None:
        tokens = _tokens(state) - self.tokens_before
        seconds = time.monotonic() - self.began
        speed = tokens / seconds if tokens and seconds else None
        lab.report(state.global_step, state.max_steps, self.loss, speed)


def _diverged(step: int) -> str:
    return say(
        f"the loss is no number any more at step {step}: lower the learning rate, add a warm-up, "
        "or look for a division by zero in the loss",
        f"第 {step} 步起损失已不是数值：请降低学习率、加入预热，或检查损失里是否除以了零",
    )


def _tokens(state: TrainerState) -> int:
    return int(state.num_input_tokens_seen or 0)
