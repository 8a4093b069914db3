"""Criteria of week8/dpo: what the trainer is given, and what the finished run proves."""

from __future__ import annotations

import json
import math
from functools import cache

import torch

from exercises import lab
from exercises.gap import call
from exercises.week5 import proof
from exercises.week8 import aligned, preference_data
from tutor.base.i18n import say

# The solution's own measure after 16 steps: accuracy 0.89, margin 0.64.
LEAST_ACCURACY = lab.bound("least_accuracy", 0.7)
LEAST_MARGIN = lab.bound("least_margin", 0.2)
BETA, COUNT = 0.1, 36
"""The task says so: a margin grows with β, and on fewer pairs luck counts."""
AGREE = {"accuracy": 0.06, "margin": 0.1, "chosen": 0.1, "rejected": 0.1}
"""Two of the pairs may be decided by rounding in 16 bits, in other batches."""


@cache
def built(build_trainer, folder):
    """build_trainer's trainer over a few pairs, and its adapter as it was at first."""
    trainer = build_trainer(
        lab.load_base()[0], proof.base_tokenizer(), [*aligned.held_out()[:3], aligned.ODD]
    )
    return trainer, proof.fresh_weights(trainer.model)


def build(submission, criterion, monkeypatch, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    monkeypatch.setenv("TUTOR_RUN_DIR", str(folder))  # a Trainer makes its folder
    return call(criterion, built, submission.build_trainer, folder)


def test_pairs_for_trl(submission, monkeypatch, tmp_path_factory):
    trainer, _ = build(submission, "pairs_for_trl", monkeypatch, tmp_path_factory)
    examples = list(trainer.train_dataset)
    assert len(examples) == 4, say(
        f"of 4 pairs the trainer keeps {len(examples)}", f"4 对中，训练器只留下 {len(examples)} 对"
    )
    tokenizer = proof.base_tokenizer()
    for row, example in zip([*aligned.held_out()[:3], aligned.ODD], examples, strict=True):
        prompt = tokenizer.decode(example["prompt_ids"])
        wanted = proof.chat_prompt(tokenizer, row)
        assert prompt == wanted, say(
            f"the trainer's prompt is {prompt[-90:]!r}, not the question in the chat format, "
            f"{wanted[-90:]!r}",
            f"训练器看到的 prompt 是 {prompt[-90:]!r}，而不是对话格式的问题 {wanted[-90:]!r}",
        )
        for name in ("chosen", "rejected"):
            said = tokenizer.decode(example[f"{name}_ids"])
            assert said.rstrip("\n") == row[name] + tokenizer.eos_token, say(
                f"the trainer's {name} answer is {said[:90]!r}, not {row[name][:60]!r} and "
                f"{tokenizer.eos_token}",
                f"训练器看到的 {name} 回答是 {said[:90]!r}，应为 {row[name][:60]!r} 加 "
                f"{tokenizer.eos_token}",
            )


def test_only_adapter_trains(submission, figures, monkeypatch, tmp_path_factory):
    trainer, _ = build(submission, "only_adapter_trains", monkeypatch, tmp_path_factory)
    aligned.check_only_lora(trainer.model, figures)


def test_reference(submission, figures, monkeypatch, tmp_path_factory):
    """The grader moves all that trains, then asks the trainer for the reference's opinion."""
    trainer, _ = build(submission, "reference", monkeypatch, tmp_path_factory)
    few = aligned.held_out()[:3]
    examples = [dict(trainer.train_dataset[n]) for n in range(3)]
    batch = trainer.data_collator(examples)
    device = next(trainer.model.parameters()).device
    batch = {name: t.to(device) for name, t in batch.items() if not name.startswith("ref_")}
    trains = [p for p in trainer.model.parameters() if p.requires_grad]
    before = [p.detach().clone() for p in trains]
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in trains:
            p.add_(0.05 * torch.randn(p.shape, generator=generator, dtype=torch.float32).to(p))
    try:
        asked = trainer.ref_model if trainer.ref_model is not None else trainer.model
        found = trainer.compute_ref_log_probs(asked, batch)
    finally:
        with torch.no_grad():
            for p, was in zip(trains, before, strict=True):
                p.copy_(was)
    base = lab.load_base()[0]
    for name, got in zip(("chosen", "rejected"), found, strict=True):
        wanted = aligned.log_probs(base, proof.base_tokenizer(), few, name)
        off = (got.float().cpu() - wanted).abs().max().item()
        figures[f"{name}_off_by"] = off
        assert off < 2.0, say(
            f"after a large step the reference's log-probability of a {name} answer is "
            f"{got[0].item():.1f}; the base's is {wanted[0].item():.1f} (furthest off: {off:.1f} "
            "nats): the reference moves with the policy, or is another model",
            f"走一大步之后，参考模型对某个 {name} 回答的对数概率是 {got[0].item():.1f}，底座模型为 "
            f"{wanted[0].item():.1f}（最多相差 {off:.1f} nat）：参考模型跟着策略一起动了，或者不是它",
        )


def test_reward_by_hand(submission):
    some = [*aligned.held_out()[:4], aligned.ODD]
    for seed, beta in ((1, 0.1), (2, 0.5)):
        model = aligned.tiny_peft(seed).train()
        got = call(
            "reward_by_hand", submission.implicit_rewards, model, proof.base_tokenizer(), some, beta
        )
        expected = aligned.rewards(aligned.tiny_peft(seed), proof.base_tokenizer(), some, beta)
        for name, mine, wanted in zip(("chosen", "rejected"), got, expected, strict=True):
            mine = torch.as_tensor(mine).float().reshape(-1)
            assert mine.shape == wanted.shape, say(
                f"for {len(some)} pairs there are {mine.numel()} rewards of the {name} answers",
                f"{len(some)} 对却得到 {mine.numel()} 个 {name} 奖励",
            )
            worst = (mine - wanted).abs().argmax()
            assert torch.allclose(mine, wanted, rtol=1e-2, atol=2e-2 * beta), say(
                f"β = {beta}: the reward of a {name} answer is {mine[worst].item():.4f}; "
                f"β · (log π − log π_ref), summed over its tokens and its end, is "
                f"{wanted[worst].item():.4f}",
                f"β = {beta}：某个 {name} 回答的奖励是 {mine[worst].item():.4f}；对它的 token 和"
                f"结束 token 求和，β · (log π − log π_ref) 应为 {wanted[worst].item():.4f}",
            )
    chosen, rejected = torch.tensor([0.3, 0.2, 0.0, -0.7]), torch.tensor([-0.5, 0.1, 0.2, -2.0])
    got = call("reward_by_hand", submission.summary, chosen, rejected)
    for name, wanted in summary(chosen, rejected).items():
        assert math.isclose(float(got.get(name, math.nan)), wanted, abs_tol=1e-4), say(
            f"summary says {name} = {got.get(name)} for four pairs (the lesson's table in section "
            f"8); it is {wanted:.2f}",
            f"summary 对四对数据（课文第 8 节的表）给出 {name} = {got.get(name)}，应为 {wanted:.2f}",
        )


def summary(chosen, rejected):
    return {
        "accuracy": (chosen > rejected).float().mean().item(),
        "margin": (chosen - rejected).mean().item(),
        "chosen": chosen.mean().item(),
        "rejected": rejected.mean().item(),
    }


def test_adapter_saved(submission, run_dir, figures, monkeypatch, tmp_path_factory):
    saved = proof.adapter_weights(run_dir / "adapter")
    _, fresh = build(submission, "adapter_saved", monkeypatch, tmp_path_factory)
    proof.check_same_adapter(saved, fresh, "build_trainer", "adapter")
    proof.check_no_full_weights(run_dir)
    figures["adapter_mb"] = sum(t.nbytes for t in saved.values()) / 1e6


def test_trained(submission, run_dir, figures, monkeypatch, tmp_path_factory):
    saved = proof.adapter_weights(run_dir / "adapter")
    _, fresh = build(submission, "trained", monkeypatch, tmp_path_factory)
    proof.check_trained(saved, fresh, figures, "build_trainer", "adapter")


def test_resumable(run_dir, figures):
    proof.check_resumable(run_dir, figures)


@cache
def measured(run_dir, beta, count):
    """The rewards of the held-out pairs, computed here from the saved adapter."""
    model = proof.adapted(run_dir / "adapter")
    return aligned.rewards(model, proof.base_tokenizer(), aligned.held_out()[:count], beta)


def test_held_out_prefers(run_dir, figures):
    chosen, rejected = measured(run_dir, BETA, COUNT)
    found = summary(chosen, rejected)
    figures |= found
    for n, kind in enumerate(preference_data.KINDS):
        part = slice(n, None, len(preference_data.KINDS))
        figures[f"accuracy_{kind}"] = summary(chosen[part], rejected[part])["accuracy"]
    assert found["accuracy"] >= LEAST_ACCURACY and found["margin"] >= LEAST_MARGIN, say(
        f"on {len(chosen)} held-out pairs the reward accuracy is {found['accuracy']:.2f} and the "
        f"mean margin {found['margin']:.3f}; at least {LEAST_ACCURACY} and {LEAST_MARGIN} are "
        "asked for",
        f"在 {len(chosen)} 对留出数据上，奖励准确率为 {found['accuracy']:.2f}，平均 margin 为 "
        f"{found['margin']:.3f}；至少应为 {LEAST_ACCURACY} 和 {LEAST_MARGIN}",
    )


def test_metrics_agree(run_dir, figures):
    metrics = json.loads((run_dir / "metrics.json").read_text("utf-8"))
    mine = summary(*measured(run_dir, BETA, COUNT))
    for name, wanted in mine.items():
        yours = metrics.get(name)
        figures[name] = wanted
        assert isinstance(yours, int | float) and abs(yours - wanted) <= AGREE[name], say(
            f"metrics.json says {name} = {yours}; the grader measures {wanted:.3f}",
            f"metrics.json 中 {name} = {yours}；评分程序测得 {wanted:.3f}",
        )
