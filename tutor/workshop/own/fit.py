"""The two trainings of a build, from its data to its adapter."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tutor.base.i18n import say
from tutor.workshop import files
from tutor.workshop.own import bases, data
from tutor.workshop.own.bases import Recipe

SFT_SHARE = 0.65
"""Of the time for training; DPO, which reads each prompt twice, has the rest."""
ADAPTER, SFT_ADAPTER, FIGURES = "adapter", "sft-adapter", "training.json"

Say = Callable[[str], None]


def fit(folder: Path, chosen: Recipe, hours: float, tell: Say) -> dict[str, Any]:
    """Train, going on where an earlier attempt was ended; leave `adapter/` and `training.json`,
    and return what stands there. Raises MissingError where the base is not there."""
    figures = _known(folder)
    if (folder / ADAPTER / "adapter_config.json").exists() and "dpo" in figures:
        return figures
    tell(say(f"loading {chosen.asset}", f"正在加载 {chosen.asset}"))
    base, tokenizer = bases.load(chosen)
    seconds = hours * 3600
    if "sft" not in figures:
        figures["sft"] = _sft(folder, chosen, base, tokenizer, SFT_SHARE * seconds, tell)
        files.write_json(folder / FIGURES, figures)
    figures["dpo"] = _dpo(folder, chosen, base, tokenizer, (1 - SFT_SHARE) * seconds, tell)
    files.write_json(folder / FIGURES, figures)
    return figures


def _known(folder: Path) -> dict[str, Any]:
    path = folder / FIGURES
    return msgspec.json.decode(path.read_bytes()) if path.exists() else {}


def _sft(
    folder: Path, chosen: Recipe, base: Any, tokenizer: Any, seconds: float, tell: Say
) -> dict[str, Any]:
    from tutor.workshop.own import train

    items = _texts(folder, data.SFT, tokenizer, chosen.tokens)
    held = _texts(folder, data.HELD_SFT, tokenizer, chosen.tokens)
    model = train.adapted(base, chosen)
    phase = train.Phase("sft", folder, seconds, chosen.sft_rate)
    with model.disable_adapter():
        before = train.held_out_loss(model, held)
    tell(say(f"held-out loss before: {before:.3f}", f"训练前留出集损失：{before:.3f}"))
    done = train.train(phase, model, items, train.sft_loss(model), tell)
    after = train.held_out_loss(model, held)
    tell(say(f"held-out loss after: {after:.3f}", f"训练后留出集损失：{after:.3f}"))
    model.save_pretrained(str(folder / SFT_ADAPTER))
    model.unload()  # the base as it was, for DPO
    return _figures(done, len(items)) | {
        "held_out_loss_before": round(before, 4),
        "held_out_loss": round(after, 4),
    }


def _dpo(
    folder: Path, chosen: Recipe, base: Any, tokenizer: Any, seconds: float, tell: Say
) -> dict[str, Any]:
    from peft import PeftModel

    from tutor.workshop.own import train

    pairs = _pairs(folder, data.DPO, tokenizer, chosen.tokens)
    held = _pairs(folder, data.HELD_DPO, tokenizer, chosen.tokens)
    start = folder / SFT_ADAPTER
    model = PeftModel.from_pretrained(base, str(start), is_trainable=True)
    model.load_adapter(str(start), adapter_name="reference")
    model.set_adapter("default")
    phase = train.Phase("dpo", folder, seconds, chosen.dpo_rate)
    done = train.train(phase, model, pairs, train.dpo_loss(model), tell)
    after = train.held_out_margin(model, held)
    loss = train.held_out_loss(model, _texts(folder, data.HELD_SFT, tokenizer, chosen.tokens))
    tell(say(f"held-out reward margin: {after['reward_margin']:.3f}, preferred {after['preferred']:.0%}",
             f"留出集奖励差：{after['reward_margin']:.3f}，偏好正确 {after['preferred']:.0%}"))  # fmt: skip
    model.save_pretrained(str(folder / ADAPTER), selected_adapters=["default"])
    return _figures(done, len(pairs)) | after | {"held_out_loss": round(loss, 4)}


def _texts(folder: Path, name: str, tokenizer: Any, most: int) -> list[Any]:
    """Return the examples of a file as tokens, those that are not too long."""
    from tutor.workshop.own.packed import encode

    found = []
    for row in data.read(folder / data.FOLDER, name):
        texts = [encode(tokenizer, row["write"], row["answer"])]
        if row["step"]:
            texts.append(encode(tokenizer, row["decide"], row["step"]))
        if _fits(texts, most):
            found.append(texts)
    return found


def _pairs(folder: Path, name: str, tokenizer: Any, most: int) -> list[Any]:
    from tutor.workshop.own.packed import encode
    from tutor.workshop.own.train import Pair

    rows = data.read(folder / data.FOLDER, name)
    found = [
        Pair(encode(tokenizer, row["prompt"], row["chosen"]),
             encode(tokenizer, row["prompt"], row["rejected"]))
        for row in rows
    ]  # fmt: skip
    return [pair for pair in found if _fits([pair.chosen, pair.rejected], most)]


def _fits(texts: Sequence[Any], most: int) -> bool:
    return len(texts[0].prompt) + sum(len(text.target) for text in texts) <= most


def _figures(done: Any, items: int) -> dict[str, Any]:
    return {
        "items": items,
        "steps": done.step,
        "tokens": done.tokens,
        "seconds": round(done.elapsed, 1),
        "tokens_per_s": round(done.tokens / done.elapsed, 1),
        "first_loss": done.curve[0][1],
        "last_loss": round(sum(loss for _, loss in done.curve[-10:]) / len(done.curve[-10:]), 4),
        "ended_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
