"""Logits at once, as the progress callback asks trl for on a CPU: the figures are trl's own."""

from __future__ import annotations

import pytest
import tiny_models
import torch

from exercises import lab, logits

ALL = ("log_probs", "entropy", "log_sum_sq_probs", "mean_logits", "is_top1")


@pytest.fixture
def utils(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """trl's module that holds the function, with its own one put back afterwards."""
    from trl.trainer import utils

    monkeypatch.setattr(utils, "_ChunkedLogProbFunction", utils._ChunkedLogProbFunction)
    return utils


def test_the_callback_keeps_loss_gradient_and_figures(utils) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    model = tiny_models.build("llama")
    utils.add_fused_lm_head(model, outputs=ALL)
    ids = torch.randint(0, tiny_models.VOCABULARY, (3, 12))
    labels = ids.masked_fill(torch.arange(12) < 4, -100)

    def found() -> tuple[torch.Tensor, ...]:
        model.zero_grad()
        got = model(input_ids=ids, labels=labels, fused_lm_head=True)
        got.loss.backward()
        gradient = model.model.layers[0].mlp.up_proj.weight.grad.clone()
        figures = (got.entropy, got.log_sum_sq_probs, got.mean_logits, got.is_top1.float())
        return got.loss.detach(), gradient, got.log_probs.detach(), *figures

    trls, tiled = found(), utils._ChunkedLogProbFunction
    lab.progress().on_train_begin(None, *_no_state())  # type: ignore[arg-type]
    assert (utils._ChunkedLogProbFunction is not tiled) == (not torch.cuda.is_available())
    for mine, wanted in zip(found(), trls, strict=True):
        assert torch.allclose(mine, wanted, atol=2e-5, rtol=1e-4)


def test_logits_too_many_to_hold_stay_in_tiles(utils, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(logits, "MOST", 99)
    monkeypatch.setattr(torch.nn.functional, "cross_entropy", None)  # what _AtOnce would call
    hidden, weight = torch.randn(4, 8), torch.randn(25, 8)
    targets = torch.tensor([0, 24, 3, 7])
    found = logits._AtOnce.apply(hidden, weight, None, targets, 1.0, 16, None, 1.0, ("log_probs",))
    wanted = (hidden @ weight.T).log_softmax(-1)[torch.arange(4), targets]
    assert found[0] is not None and torch.allclose(found[0], wanted, atol=1e-5)


def _no_state() -> tuple[object, object]:
    from transformers import TrainerControl, TrainerState

    return TrainerState(), TrainerControl()
