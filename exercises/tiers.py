"""Full size where the machine holds it: with the profile "hub", an exercise that has tiers is run
and graded on a larger base, by that tier's own bounds. Elsewhere it is the small base's, and the
reason is told: a tier that cannot run is skipped, never passed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import msgspec

from exercises import protocol, sandbox
from exercises.spec import Exercise, Limits, Tier
from tutor.base.i18n import language, say
from tutor.base.settings import Settings


def chosen(exercise: Exercise, settings: Settings) -> Tier | None:
    """Return the last of the exercise's tiers that can run here; None: the small base."""
    fitting = [tier for tier in exercise.spec.tiers if not why_not(tier, settings)]
    return fitting[-1] if fitting else None


def why_not(tier: Tier, settings: Settings) -> str:
    """Say why a tier cannot run here; "" where it can."""
    if settings.offline:
        return say(
            f"{tier.base} needs the profile hub; it is {settings.profile}",
            f"{tier.base} 需要 hub 配置；当前是 {settings.profile}",
        )
    if tier.gpu_gb > (there := _gpu_gb() if tier.gpu_gb else 0):
        return say(
            f"{tier.base} needs a GPU with {tier.gpu_gb:g} GB; this one has {there:.0f}"
            if there
            else f"{tier.base} needs a GPU with {tier.gpu_gb:g} GB; there is none",
            f"{tier.base} 需要 {tier.gpu_gb:g} GB 显存的 GPU；本机"
            + (f"只有 {there:.0f} GB" if there else "没有 GPU"),
        )
    return ""


def told(exercise: Exercise, settings: Settings) -> str:
    """Say at which size the exercise is done; "" where it has one only, or nobody asked."""
    if settings.offline or not exercise.spec.tiers:
        return ""
    if tier := chosen(exercise, settings):
        return say(f"At full size: {tier.base}.", f"完整规模：{tier.base}。")
    reasons = "; ".join(why_not(tier, settings) for tier in exercise.spec.tiers)
    return say(f"On the small base: {reasons}.", f"使用小模型：{reasons}。")


def widened(limits: Limits, exercise: Exercise, settings: Settings) -> Limits:
    """Return the limits of a process, with the memory and the time that the tier needs."""
    tier = chosen(exercise, settings)
    if tier is None:
        return limits
    return replace(
        limits,
        memory_mb=max(limits.memory_mb, tier.memory_mb),
        seconds=max(limits.seconds, tier.seconds),
    )


def environment(exercise: Exercise, settings: Settings, extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a process of the learner's: its language, its tier, and `extra`."""
    known = {protocol.LANGUAGE: language(), **variable(chosen(exercise, settings))}
    return sandbox.environment({**known, **extra}, settings.offline)


def variable(tier: Tier | None) -> dict[str, str]:
    """Return the environment variable by which `lab` learns of the tier."""
    return {protocol.TIER: msgspec.json.encode(tier).decode() if tier else ""}


@cache
def _gpu_gb() -> float:
    """Return the memory of the first CUDA device in GB; 0 where there is none."""
    import torch

    if not torch.cuda.is_available():
        return 0
    return float(torch.cuda.get_device_properties(0).total_memory / 1e9)
