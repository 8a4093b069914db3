"""The bases that the tutor's own model is made on, and how each is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tutor.base import assets
from tutor.base.errors import TutorError, nearest
from tutor.base.i18n import Language, say

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Recipe:
    """asset: the base. hours: of training where none are said. examples: made for each hour, about
    as many as two cores train on in it. tokens: the longest example. modules: what LoRA adapts.
    sft_rate, dpo_rate: peak learning rates. types: to quantize to."""

    asset: str
    hours: float
    examples: int
    langs: tuple[Language, ...]
    tokens: int
    modules: str | tuple[str, ...]
    sft_rate: float
    dpo_rate: float
    types: tuple[str, ...]
    rank: int = 16


RECIPES = {
    # SmolLM2 reads Chinese a byte at a time and was not trained on it.
    "tiny": Recipe("smollm2-135m", 1.0, 600, ("en",), 1600, "all-linear", 6e-4, 6e-5, ("Q8_0",)),
    "default": Recipe(
        "qwen2.5-coder-1.5b", 8.0, 160, ("en", "zh"), 2400, ("q_proj", "v_proj"), 2e-4, 3e-5,
        ("Q4_K_M", "Q6_K"),
    ),
}  # fmt: skip


def recipe(base: str) -> Recipe:
    """Return how to train on a base. Raises TutorError (usage) for an unknown one."""
    if base not in RECIPES:
        close = nearest(base, list(RECIPES))
        raise TutorError(
            say(f"There is no base {base!r}.", f"没有底座 {base!r}。"),
            say(f"Nearest: {close}", f"最接近的：{close}"),
        )
    return RECIPES[base]


def load(chosen: Recipe) -> tuple[PreTrainedModel, Any]:
    """Load a base to train, in bfloat16, and its tokenizer with the ids that llama.cpp gives.

    The 1.5B is read from its GGUF each time: 50 s, 5.7 GB at its peak.
    Raises MissingError where the model is not there.
    """
    import torch
    from transformers import AutoModelForCausalLM, GgufConfig

    from exercises import lab
    from tutor.workshop import reference

    path = assets.path(chosen.asset)
    tokenizer, named = reference.tokenizer(path)
    if chosen.asset == lab.BASE:
        return lab.load_base("bfloat16")[0], tokenizer
    model = AutoModelForCausalLM.from_pretrained(
        path.parent,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
        **named,
    )
    return model, tokenizer
