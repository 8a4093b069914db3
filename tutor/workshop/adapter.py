"""A peft LoRA adapter as it lies in its folder: which matrices it changes, and by what.

LoRA (arXiv:2106.09685, section 4.1): W + alpha / r · B A. rsLoRA (arXiv:2312.03732): alpha / √r.
DoRA (arXiv:2402.09353, equation 5): the sum's rows, each brought to its learned length.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tutor.base.errors import TutorError
from tutor.base.i18n import say
from tutor.workshop import safetensors_file as safetensors
from tutor.workshop.families import permute

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
PREFIX = "base_model.model."
_PART = re.compile(
    r"(?P<module>.+)\.lora_(?P<part>A|B|embedding_A|embedding_B|magnitude_vector)(\.weight)?"
)


@dataclass(frozen=True)
class LowRank:
    """The change to one matrix of (outputs, inputs): scale · B A, with A (r, inputs) and
    B (outputs, r); of an embedding (tokens, size) it is the transposed of that.

    magnitude: DoRA's length of each output row.
    """

    a: safetensors.Entry
    b: safetensors.Entry
    scale: float
    magnitude: safetensors.Entry | None = None
    embedding: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        outputs, inputs = self.b.shape[0], self.a.shape[1]
        return (inputs, outputs) if self.embedding else (outputs, inputs)

    def factors(self, heads: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return B, scaled and its rows in GGUF's order, and A."""
        a, b = safetensors.read(self.a), safetensors.read(self.b) * self.scale
        if self.embedding:
            return a.T, b.T
        return (permute(b, heads) if heads else b), a

    def merged(self, weight: NDArray[Any], heads: int) -> NDArray[Any]:
        """Return the weight, rows in GGUF's order, with the change in it."""
        import numpy as np

        b, a = self.factors(heads)
        summed = weight + b @ a
        if self.magnitude is None:
            return summed
        length = safetensors.read(self.magnitude).reshape(-1, 1)
        length = permute(length, heads) if heads else length
        return length * summed / np.linalg.norm(summed, axis=1, keepdims=True)


@dataclass(frozen=True)
class Adapter:
    """low_rank: by module name; whole: parameters that were trained and saved as a whole."""

    folder: Path
    config: Mapping[str, Any]
    low_rank: dict[str, LowRank] = field(default_factory=dict)
    whole: dict[str, safetensors.Entry] = field(default_factory=dict)

    @property
    def base(self) -> str:
        return str(self.config.get("base_model_name_or_path") or "")


def load(folder: Path) -> Adapter:
    """Read an adapter's folder; its tensors are read when they are merged.

    Raises TutorError for a kind of adapter that is not LoRA, or a file that is not whole.
    """
    try:
        config = json.loads((folder / CONFIG).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise TutorError(
            say(f"{folder / CONFIG}: {error}", f"{folder / CONFIG}：{error}"),
            say("Save the adapter again.", "请重新保存适配器。"),
        ) from error
    if config.get("peft_type") != "LORA":
        raise _not_lora(str(config.get("peft_type")))
    parts: dict[str, dict[str, safetensors.Entry]] = {}
    whole: dict[str, safetensors.Entry] = {}
    for key, entry in safetensors.entries(folder, WEIGHTS).items():
        name = key.removeprefix(PREFIX)
        if match := _PART.fullmatch(name):
            parts.setdefault(match["module"], {})[match["part"]] = entry
        elif ".lora_" in name or "token_adapter" in name:
            raise _not_lora(name)
        else:
            # peft saves an adapted embedding too: it may have been resized.
            whole[name.replace(".base_layer.", ".")] = entry
    low_rank = {module: _low_rank(module, found, config) for module, found in parts.items()}
    return Adapter(folder, config, low_rank, whole)


def _low_rank(
    module: str, parts: dict[str, safetensors.Entry], config: Mapping[str, Any]
) -> LowRank:
    embedding = "embedding_A" in parts
    prefix = "embedding_" if embedding else ""
    try:
        a, b = parts[f"{prefix}A"], parts[f"{prefix}B"]
    except KeyError as error:
        raise TutorError(
            say(f"{module}: half of its LoRA is missing.", f"{module}：LoRA 缺了一半。"),
            say("Save the adapter again.", "请重新保存适配器。"),
        ) from error
    rank = a.shape[0]
    alpha = _by_pattern(config.get("alpha_pattern") or {}, module, config["lora_alpha"])
    scale = alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
    return LowRank(a, b, scale, parts.get("magnitude_vector"), embedding)


def _by_pattern(patterns: Mapping[str, float], module: str, default: float) -> float:
    """Return the value of the first pattern that the module's name ends with, as peft does."""
    for pattern, value in patterns.items():
        if re.fullmatch(rf"(.*\.)?({pattern})", module):
            return value
    return default


def _not_lora(what: str) -> TutorError:
    return TutorError(
        say(
            f"Only LoRA, rsLoRA and DoRA adapters are merged here; this one has {what}.",
            f"这里只能合并 LoRA、rsLoRA 和 DoRA 适配器；此适配器含有 {what}。",
        ),
        say(
            "Merge it with peft: model.merge_and_unload().save_pretrained(DIR), tokenizer too; "
            "then: tutor model export DIR",
            "请用 peft 合并：model.merge_and_unload().save_pretrained(DIR)，并保存 tokenizer；"
            "然后：tutor model export DIR",
        ),
    )
