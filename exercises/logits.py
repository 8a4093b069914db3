"""How trl's trainers come to their log-probabilities where a CPU trains: from all logits at once.

trl 1.16 computes logits tile by tile and again on the way back, in float32
(trl/kernels/chunked_logprob.py). That spares the memory of a GPU; two cores pay with a fifth (SFT) to
a quarter (DPO) of their speed (benchmarks/train.py), for the few dozen megabytes of a small batch.
"""

from __future__ import annotations

import sys

import torch
from torch.nn import functional

MOST = 2**27
"""Logits that are held at once: 512 MB in float32."""


def at_once() -> None:
    """Let the trl trainers of this process do so. Without trl, or with a GPU, nothing changes."""
    utils = sys.modules.get("trl.trainer.utils")
    if utils is not None and not torch.cuda.is_available():
        utils._ChunkedLogProbFunction = _AtOnce  # type: ignore[attr-defined]


class _AtOnce:
    """Stands in for trl's autograd function. Of what it returns, log_probs has a gradient; SFT and
    DPO only log the rest."""

    @staticmethod
    def apply(
        hidden: torch.Tensor,  # (n, H)
        weight: torch.Tensor,  # (V, H)
        bias: torch.Tensor | None,
        targets: torch.Tensor,  # (n,)
        temperature: float,
        chunk_size: int,
        softcap: float | None,
        scale: float,
        outputs: tuple[str, ...],
    ) -> tuple[torch.Tensor | None, ...]:
        plain = temperature == scale == 1 and not softcap
        if not plain or len(hidden) * len(weight) > MOST:
            from trl.kernels import ChunkedLogProbFunction

            return ChunkedLogProbFunction.apply(
                hidden, weight, bias, targets, temperature, chunk_size, softcap, scale, outputs
            )
        logits = functional.linear(hidden, weight, bias).float()
        log_probs = -functional.cross_entropy(logits, targets, reduction="none")
        return log_probs, *_figures(logits.detach(), targets, outputs)


def _figures(
    logits: torch.Tensor, targets: torch.Tensor, outputs: tuple[str, ...]
) -> list[torch.Tensor | None]:
    """Return entropy, log Σ p², mean logit and whether the target is first, each (n,) or None."""
    spread = {"entropy", "log_sum_sq_probs"}.intersection(outputs)
    log_p = logits.log_softmax(-1) if spread else logits
    found = {
        "entropy": lambda: -(log_p.exp() * log_p).sum(-1),
        "log_sum_sq_probs": lambda: (2 * log_p).logsumexp(-1),
        "mean_logits": lambda: logits.mean(-1),
        "is_top1": lambda: logits.argmax(-1) == targets,
    }
    return [figure() if name in outputs else None for name, figure in found.items()]
