"""What a learner's script imports: the base model, the data, and where to leave its results.

    from exercises import lab

    model, tokenizer = lab.load_base()
    train, held_out = lab.instructions()
    arguments = TrainingArguments(..., **lab.checkpointing())
    trainer = Trainer(..., callbacks=[lab.progress()])
    trainer.train(resume_from_checkpoint=lab.last_checkpoint())
    model.save_pretrained(lab.run_dir() / "adapter")

Works the same under `tutor run`, in a notebook and as a plain script.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from exercises import protocol
from tutor.base import assets, home
from tutor.base.i18n import use_language

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback

BASE = "smollm2-135m"
BASE_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"  # where the asset is its folder

# A script's own process knows the learner's language from the tutor that started it.
use_language(os.environ.get(protocol.LANGUAGE, "auto"))


def run_dir() -> Path:
    """Return the folder that this run's results belong in, made if it is not there.

    Under `tutor run` it is the run's own folder; elsewhere (a notebook) `runs/scratch` in the
    current folder, which no grader looks at.
    """
    path = Path(os.environ.get(protocol.RUN_DIR) or Path.cwd() / "runs" / "scratch")
    path.mkdir(parents=True, exist_ok=True)
    return path


def load_base(
    dtype: Literal["bfloat16", "float32"] = "bfloat16",
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load SmolLM2-135M-Instruct (30 layers, hidden size 576, 134.5 M parameters) to train.

    It is read from its GGUF and dequantized: a model that stays quantized can be neither trained
    nor saved. That takes about 20 s; the result is kept in TUTOR_HOME/cache, and loads in one.
    dtype: that of the weights; bfloat16 takes 269 MB, float32 538 MB.
    The padding token is the end-of-text token here (<|im_end|>): mask padding by the attention
    mask; by its id, the model would never learn to stop.
    Raises MissingError, with the command that gets it, where the model is not there.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = _dequantized(dtype)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
    return model, AutoTokenizer.from_pretrained(folder)


def _dequantized(dtype: str) -> Path:
    """Return the folder with the base as safetensors, made on the first call."""
    import torch
    import transformers
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    found = assets.path(BASE)
    file = found if found.is_file() else found / BASE_FILE
    state = file.stat()
    key = f"{BASE}-{dtype}-{state.st_size}-{state.st_mtime_ns}-{transformers.__version__}"
    folder = home.home() / "cache" / key
    if folder.exists():
        return folder
    gguf: dict[str, Any] = {"gguf_file": file.name}
    model = AutoModelForCausalLM.from_pretrained(
        file.parent,
        quantization_config=GgufConfig(dequantize=True),
        dtype=getattr(torch, dtype),
        **gguf,
    )
    # Whole under its own name at once, or not at all: another process may be making it too.
    part = folder.with_name(f"{key}.{os.getpid()}.part")
    model.save_pretrained(part)
    AutoTokenizer.from_pretrained(file.parent, **gguf).save_pretrained(part)
    try:
        part.rename(folder)
    except OSError:
        if not folder.exists():
            raise
        shutil.rmtree(part)
    return folder


def checkpointing(every: int = 20) -> dict[str, Any]:
    """Return the TrainingArguments that make an interrupted run resumable.

    every: optimizer steps between two checkpoints. Only the last two are kept: the one before
    is whole even where the run was ended in the middle of writing the newest.
    """
    return {
        "output_dir": str(run_dir() / "checkpoints"),
        "save_strategy": "steps",
        "save_steps": every,
        "save_total_limit": 2,
    }


def last_checkpoint() -> str | None:
    """Return the newest whole checkpoint of this run, for Trainer.train(resume_from_checkpoint=…),
    or None where the run starts anew."""
    found = (run_dir() / "checkpoints").glob("checkpoint-*/trainer_state.json")
    whole = {int(f.parent.name.split("-")[1]): f.parent for f in found if _is_json(f)}
    return str(whole[max(whole)]) if whole else None


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text("utf-8"))
    except ValueError:
        return False
    return True


def report(
    step: int, steps: int, loss: float | None = None, tokens_per_s: float | None = None
) -> None:
    """Tell whoever watches the run how far it is; for training loops written by hand.

    step: optimizer steps done, of `steps` in all. loss: mean over the tokens of this step.
    """
    event: dict[str, float] = {"at": time.time(), "step": step, "steps": steps}
    # JSON has no infinity; a loss that is not a number is left out.
    if loss is not None and math.isfinite(loss):
        event["loss"] = round(float(loss), 5)
    if tokens_per_s is not None and math.isfinite(tokens_per_s):
        event["tokens_per_s"] = round(float(tokens_per_s), 1)
    with (run_dir() / "events.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(event) + "\n")


def __getattr__(name: str) -> Any:
    # A class whose base class costs seconds to import: made when it is first asked for.
    if name == "ProgressCallback":
        from exercises.lab_callback import ProgressCallback

        return ProgressCallback
    raise AttributeError(name)


def progress() -> TrainerCallback:
    """Return the callback that reports a transformers or trl Trainer's steps."""
    from exercises.lab_callback import ProgressCallback

    return ProgressCallback()


def fingerprint(state_dict: dict[str, Any]) -> str:
    """Return the sha256 over the names, types, shapes and bytes of the tensors, in name order.

    Two models have the same one exactly where every weight is the same, bit for bit.
    """
    import torch

    digest = hashlib.sha256()
    for name in sorted(state_dict):
        tensor = state_dict[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        # bfloat16 has no numpy type; its bytes are what counts.
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def instructions() -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Return (train, held_out): {"prompt", "response"} pairs about the APIs of the libraries
    installed here, about 1,200 and 120.

    Asked of an argument, answered by the docstring's own words. Split by class: no class of the
    held-out part is in the training part. The same on every call with the same libraries.
    """
    from exercises import instruction_data

    return instruction_data.load(home.home() / "cache")
