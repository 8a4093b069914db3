"""What a learner's script imports: the base model, the data, and where to leave its results.

    from exercises import lab

    model, tokenizer = lab.load_base()         # a causal LM
    encoder, tokenizer = lab.load_encoder()    # a BERT
    train, held_out = lab.instructions()       # or lab.reviews()
    arguments = TrainingArguments(..., **lab.checkpointing())
    trainer = Trainer(..., callbacks=[lab.progress()])
    trainer.train(resume_from_checkpoint=lab.last_checkpoint())
    model.save_pretrained(lab.run_dir() / "adapter")

Works the same under `tutor run`, in a notebook and as a plain script.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from exercises import protocol
from tutor.base import assets, home, settings
from tutor.base.errors import MissingError
from tutor.base.i18n import Language, language, say, use_language

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback

    from exercises.spec import Tier

BASE = "smollm2-135m"
BASE_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"  # where the asset is its folder
ENCODER = "minilm"
ENCODER_ON_HUB = "google-bert/bert-base-uncased"

# A script's own process knows the learner's language from the tutor that started it.
use_language(os.environ.get(protocol.LANGUAGE, "auto"))

# It advises a package that fetches compiled code from the hub. Without it, 4 bits are as right.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)


def run_dir() -> Path:
    """Return the folder that this run's results belong in, made if it is not there.

    Under `tutor run` it is the run's own folder; elsewhere (a notebook) `runs/scratch` in the
    current folder, which no grader looks at. On several GPUs (the setting `gpus`) each process but
    the first has a folder of its own within it, so that they do not write over each other.
    """
    path = _main_dir()
    if (rank := os.environ.get("RANK", "0")) != "0":
        path = path / "ranks" / rank
    path.mkdir(parents=True, exist_ok=True)
    return path


def _main_dir() -> Path:
    return Path(os.environ.get(protocol.RUN_DIR) or Path.cwd() / "runs" / "scratch")


def load_base(
    dtype: Literal["bfloat16", "float32"] = "bfloat16",
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load SmolLM2-135M-Instruct (30 layers, hidden size 576, 134.5 M parameters) to train.

    It is read from its GGUF and dequantized: a model that stays quantized can be neither trained
    nor saved. That takes about 20 s; the result is kept in TUTOR_HOME/cache, and loads in one.
    dtype: that of the weights; bfloat16 takes 269 MB, float32 538 MB.
    The padding token is the end-of-text token here (<|im_end|>): mask padding by the attention
    mask; by its id, the model would never learn to stop.
    At full size (the profile "hub", under `tutor run` and `tutor check`) it is the tier's base, on
    the GPU where there is one.
    Raises MissingError, with the command that gets it, where the model is not there.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = base_folder(dtype)
    model: Any
    with _hub_errors(folder):
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
        tokenizer = AutoTokenizer.from_pretrained(folder)
    if tokenizer.pad_token is None:  # as GPT-2's
        tokenizer.pad_token = tokenizer.eos_token
    if (tier := _tier()) and tier.gpu_gb and torch.cuda.is_available():
        model.to("cuda")
    return model, tokenizer


def base_folder(dtype: Literal["bfloat16", "float32"] = "bfloat16") -> Path | str:
    """Return the folder with the base as safetensors and its tokenizer, made on the first call; at
    full size the base's name on the hub.

    For what wants a path or a name: from_pretrained, a tokenizer alone.
    Raises MissingError like `load_base`.
    """
    if tier := _tier():
        return tier.base
    import torch
    import transformers
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    file = base_file()
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


def base_file() -> Path:
    """Return the base as it came: SmolLM2-135M-Instruct as a GGUF file, for llama.cpp.

    Raises MissingError like `load_base`.
    """
    found = assets.path(BASE)
    return found if found.is_file() else found / BASE_FILE


def batch_size(here: int) -> int:
    """Return how many examples fit into a batch: `here` on the small base, at full size the
    tier's."""
    tier = _tier()
    return tier.batch_size or here if tier else here


def bound(name: str, here: float) -> float:
    """For criteria: return a threshold, `here` on the small base, at full size the tier's."""
    tier = _tier()
    return tier.bounds.get(name, here) if tier else here


def _tier() -> Tier | None:
    if not (data := os.environ.get(protocol.TIER)):
        return None
    import msgspec

    from exercises.spec import Tier

    return msgspec.json.decode(data, type=Tier)


def load_encoder() -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a BERT without a head, in float32 and evaluation mode: AutoModel and its tokenizer.

    all-MiniLM-L6-v2 (6 layers, hidden size 384, 12 heads, 22.7 M parameters); with the profile
    "hub" bert-base-uncased (12 layers, 768, 12, 109.5 M). Both are uncased with 30,522 tokens.
    Raises MissingError, with the command that gets it, where the model is not there.
    """
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = encoder_folder()
    with _hub_errors(folder):
        model = AutoModel.from_pretrained(folder, dtype=torch.float32)
        return model, AutoTokenizer.from_pretrained(folder)


def encoder_folder() -> Path | str:
    """Return what `from_pretrained` takes to load the encoder under a head, for example
    AutoModelForSequenceClassification: a folder, or with the profile "hub" a name there.

    Raises MissingError, with the command that gets it, where the model is not there.
    """
    return ENCODER_ON_HUB if _profile() == "hub" else assets.path(ENCODER)


def _profile() -> str:
    spoken = language()
    try:
        return settings.load().profile
    finally:
        use_language(spoken)  # the settings' own may be another than this run's


@contextmanager
def _hub_errors(name: Path | str) -> Iterator[None]:
    """Say what to do where the hub cannot be reached."""
    try:
        yield
    except OSError as error:
        if isinstance(name, Path):
            raise
        raise MissingError(
            say(f"Could not get {name} from the hub: {error}", f"无法从 hub 获取 {name}：{error}"),
            say(
                "Check the network (HF_ENDPOINT), or use what is there: TUTOR_PROFILE=default",
                "请检查网络（HF_ENDPOINT），或使用本机已有的内容：TUTOR_PROFILE=default",
            ),
        ) from error


def checkpointing(every: int = 20, name: str = "") -> dict[str, Any]:
    """Return the TrainingArguments that make an interrupted run resumable.

    every: optimizer steps between two checkpoints. Only the last two are kept: the one before is
    whole even where the run was ended in the middle of writing the newest.
    name: of the training, where a run has several.
    """
    return {
        "output_dir": str(_main_dir() / "checkpoints" / name),
        "save_strategy": "steps",
        "save_steps": every,
        "save_total_limit": 2,
    }


def last_checkpoint(name: str = "") -> str | None:
    """Return the newest whole checkpoint of this run, for Trainer.train(resume_from_checkpoint=…),
    or None where the run starts anew: always so outside `tutor run`, where what lies there may be
    other code's. name: as in `checkpointing`."""
    if protocol.RUN_DIR not in os.environ:
        return None
    found = (_main_dir() / "checkpoints" / name).glob("checkpoint-*/trainer_state.json")
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


def stop_asked() -> bool:
    """Return whether the learner asked this run to end with what it has learned (`tutor run
    --stop`); a training loop written by hand then leaves its loop, and saves as it would have."""
    return (_main_dir() / protocol.STOP).exists()


def progress() -> TrainerCallback:
    """Return the callback that reports a transformers or trl Trainer's steps, ends the training
    where the learner asks for it, and raises ArithmeticError where the loss is no number any more:
    the hours after that would be lost."""
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


def reviews() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return (train, held_out): {"text": str, "label": 0 | 1} of film reviews, 1 is positive.

    4,000 and 800 sentences from reviews (19 words on average), half of each label, whose mean
    rating by 20 people is at least 1 away from neutral on a scale from -4 to 4; with the profile
    "hub" 4,000 and 800 whole reviews of IMDb. No text is there twice, and the parts are the same
    on every call: a text's own hash decides where it belongs.
    Raises MissingError, with the command that gets them, where they are not there.
    """
    from exercises import review_data

    if _profile() == "hub":
        with _hub_errors(review_data.ON_HUB):
            return review_data.split(review_data.from_hub())
    return review_data.split(review_data.snippets(assets.path(review_data.ASSET)))


def lessons(lang: Language = "en") -> str:
    """Return the text of the plan's own lessons, in the order of study: a small real corpus.

    About 18,000 words in English, 47,000 characters in Chinese. Markdown's headings, links,
    emphasis and tables are taken out, and blocks of code and figures with them: what is left is
    prose, a line a paragraph. The same on every call with the same version of the tutor.
    """
    from exercises import lesson_text

    return lesson_text.prose(lang)
