"""Criteria of week5/lora: what the functions make, and what the finished run proves."""

from __future__ import annotations

import json
from functools import cache

import torch

from exercises import lab
from exercises.gap import call
from exercises.week5 import proof
from tutor.base.i18n import say

# Measured with the solution: 4.00 before, 3.1 after 16 steps. Half of that must be reached.
LEAST_GAIN = lab.bound("least_gain", 0.45)
AGREE = 0.05
"""Between the learner's loss and the grader's: the same pairs, other batches."""
ODD = {"prompt": "Explain <r>, in\ntwo lines: 秩?", "response": "It is the rank.\n\n秩 r = 8."}


@cache
def base():
    """The base as it is on disk. Nothing may change it here."""
    return lab.load_base()


@cache
def built(build_model):
    """build_model's model, and its adapter as it was at first."""
    model = build_model(lab.load_base()[0])
    return model, proof.fresh_weights(model)


def held_out():
    return lab.instructions()[1][::3]


def build(submission, criterion):
    return call(criterion, built, submission.build_model)


def test_response_only_labels(submission):
    for pair in (*held_out()[:4], ODD):
        proof.check_example(submission, "response_only_labels", base()[1], pair)


def test_learns_to_stop(submission, monkeypatch, tmp_path):
    monkeypatch.setenv("TUTOR_RUN_DIR", str(tmp_path))  # a Trainer makes its folder
    model, _ = build(submission, "learns_to_stop")
    pairs = sorted(held_out()[:8], key=lambda pair: len(pair["response"]))
    trainer = call("learns_to_stop", submission.build_trainer, model, base()[1], pairs)
    proof.check_batch(trainer, base()[1])


def test_only_adapter_trains(submission, figures):
    model, _ = build(submission, "only_adapter_trains")
    proof.check_trainable(model, figures)
    adapted = {n.split(".")[-4] for n, _ in model.named_parameters() if "lora_A" in n}
    assert adapted >= {"q_proj", "v_proj"}, say(
        f"adapted are {sorted(adapted)}; at least q_proj and v_proj must be (paper, section 4.2)",
        f"被适配的是 {sorted(adapted)}；至少应包括 q_proj 和 v_proj（论文 4.2 节）",
    )


def test_base_unchanged(submission):
    """One large step by the grader, over everything that the model lets train."""
    model = call("base_unchanged", submission.build_model, lab.load_base()[0])
    example = proof.encode(base()[1], held_out()[0])
    batch = {name: torch.tensor([values], device=model.device) for name, values in example.items()}
    model.train()(**batch).loss.backward()
    torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0).step()
    was, now = base()[0].state_dict(), proof.base_weights(model)
    changed = [n for n in was if n not in now or not torch.equal(was[n], now[n])]
    assert not changed, say(
        f"a training step changes {len(changed)} tensors of the base, {changed[:1]} first",
        f"训练一步就改动了底座模型的 {len(changed)} 个张量，首个是 {changed[:1]}",
    )
    assert lab.fingerprint(now) == lab.fingerprint(was), say(
        "the base's weights have another fingerprint after a step of training",
        "训练一步之后，底座模型权重的指纹变了",
    )


def test_adapter_saved(submission, run_dir, figures):
    saved = proof.adapter_weights(run_dir / "adapter")
    model, fresh = build(submission, "adapter_saved")
    proof.check_same_adapter(saved, fresh)
    proof.check_no_full_weights(run_dir)
    figures["adapter_mb"] = sum(t.nbytes for t in saved.values()) / 1e6
    config = json.loads((run_dir / "adapter" / "adapter_config.json").read_text("utf-8"))
    built_with = model.peft_config["default"]
    assert (config["r"], config["lora_alpha"]) == (built_with.r, built_with.lora_alpha), say(
        f"the saved adapter has r={config['r']} and alpha={config['lora_alpha']}, build_model "
        f"{built_with.r} and {built_with.lora_alpha}",
        f"保存的适配器 r={config['r']}、alpha={config['lora_alpha']}，而 build_model 用的是 "
        f"{built_with.r} 和 {built_with.lora_alpha}",
    )


def test_trained(submission, run_dir, figures):
    saved = proof.adapter_weights(run_dir / "adapter")
    _, fresh = build(submission, "trained")
    proof.check_trained(saved, fresh, figures)


def test_resumable(run_dir, figures):
    proof.check_resumable(run_dir, figures)


@cache
def losses(run_dir):
    """Held-out loss before and after, computed here."""
    model = proof.adapted(run_dir / "adapter")
    after = proof.held_out_loss(model, base()[1], held_out())
    return proof.held_out_loss(base()[0], base()[1], held_out()), after


def test_held_out_improves(run_dir, figures):
    before, after = losses(run_dir)
    figures |= {"base_held_out_loss": before, "held_out_loss": after}
    assert before - after >= LEAST_GAIN, say(
        f"held-out loss {after:.3f}, base {before:.3f}: the gain must be at least {LEAST_GAIN}",
        f"留出集损失 {after:.3f}，底座模型 {before:.3f}：至少应降低 {LEAST_GAIN}",
    )


def test_metrics_agree(run_dir, figures):
    file = run_dir / "metrics.json"
    assert file.exists(), say("the run left no metrics.json", "这次运行没有留下 metrics.json")
    metrics = json.loads(file.read_text("utf-8"))
    names = ("base_held_out_loss", "held_out_loss")
    for name, mine in zip(names, losses(run_dir), strict=True):
        yours = metrics.get(name)
        figures[name] = mine
        assert isinstance(yours, int | float) and abs(yours - mine) <= AGREE, say(
            f"metrics.json says {name} = {yours}; the grader measures {mine:.3f}",
            f"metrics.json 中 {name} = {yours}；评分程序测得 {mine:.3f}",
        )
