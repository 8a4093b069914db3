"""What transformers says of a model, for the gates to hold llama.cpp against. Only ever imported
in the child of tutor.workshop.native.

The base is loaded and the adapter laid over it by peft, unmerged: nothing of the exporter's own
reading, permuting and merging is used, so that agreement proves it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from tutor.workshop import gguf_file
from tutor.workshop.native import MergeFolder, Reference, Said

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FLOAT32_LARGEST = 2e9
"""Bytes of GGUF up to which float32 is used: its 135M takes 0.5 GB so, a 1.5B takes 6."""


def do(task: Reference | MergeFolder) -> Any:
    return ask(task) if isinstance(task, Reference) else merge_folder(task)


def ask(task: Reference) -> Said:
    """Do the task and write the logits: float16 at every position, (tokens, vocabulary)."""
    base = Path(task.base)
    tokenize, kwargs = tokenizer(base)
    ids = [tokenize(text, add_special_tokens=False)["input_ids"] for text in task.texts]
    samples = [tokenize(text, add_special_tokens=False)["input_ids"] for text in task.samples]
    template = tokenize.chat_template or ""
    found: dict[str, Any] = {}
    float32 = True
    if samples:
        model: Any
        model, float32 = _model(base, kwargs)
        if task.adapter:
            found |= _all_logits(model, samples, "base")
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, task.adapter).eval()
        found |= _all_logits(model, samples, "adapted")
        np.savez(task.target, **found)
    return Said(ids, samples, hashlib.sha256(template.encode()).hexdigest(), float32)


def merge_folder(task: MergeFolder) -> int:
    """Save base and adapter merged, in bfloat16, with the tokenizer; return the parameters."""
    base = Path(task.base)
    tokenize, kwargs = tokenizer(base)
    model: Any = _model(base, kwargs)[0]
    if task.adapter:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, task.adapter).merge_and_unload()
    model.to(torch.bfloat16).save_pretrained(task.target)
    tokenize.save_pretrained(task.target)
    return model.num_parameters()


def tokenizer(base: Path) -> tuple[Any, dict[str, Any]]:
    """Return a base's tokenizer, and what else `from_pretrained` must be told to read the base."""
    if base.is_dir():
        return AutoTokenizer.from_pretrained(base), {}
    kwargs: dict[str, Any] = {"gguf_file": base.name}
    found = AutoTokenizer.from_pretrained(base.parent, **kwargs)
    field = gguf_file.read(base).get_field("tokenizer.ggml.pre")
    if field and field.contents() == "smollm":
        # transformers reads every byte-level GGUF tokenizer as GPT-2's; SmolLM's cuts each digit
        # off first. Without this 72 of 1,000 texts get other ids than the published tokenizer's.
        found.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False),
            ]
        )
    return found, kwargs


def _model(base: Path, kwargs: dict[str, Any]) -> tuple[PreTrainedModel, bool]:
    if kwargs:
        kwargs = kwargs | {"quantization_config": GgufConfig(dequantize=True)}
    size = base.stat().st_size if base.is_file() else _folder_bytes(base)
    float32 = size <= FLOAT32_LARGEST / (4 if base.is_file() else 1)
    dtype = torch.float32 if float32 else torch.bfloat16
    folder = base if base.is_dir() else base.parent
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, **kwargs)
    return model.eval(), float32


def _folder_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


@torch.no_grad()
def _all_logits(model: Any, rows: list[list[int]], label: str) -> dict[str, Any]:
    return {
        f"{label}/{n}": model(torch.tensor([row])).logits[0].float().numpy()
        for n, row in enumerate(rows)
    }
