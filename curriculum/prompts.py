"""Prompts on which the learner chooses between two answers of the local model: prompts.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec

from tutor.base.i18n import Language


@dataclass(frozen=True)
class Prompt:
    """A prompt in both languages. unit: whose topic it is of, "week1" to "week8"."""

    unit: str
    en: str
    zh: str

    def text(self, lang: Language) -> str:
        return self.zh if lang == "zh" else self.en


@cache
def all_prompts() -> tuple[Prompt, ...]:
    """Return the built-in prompts in the order of the plan."""
    text = Path(__file__).with_name("prompts.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text)["prompts"], tuple[Prompt, ...])
