"""llama.cpp's heavy work in a process of its own: a crash there ends one step, not the tutor.

`call(task)` starts `python -m tutor.workshop.native`, which reads the task as JSON from stdin,
does it with tutor.workshop.llama and writes its reply to a file: llama.cpp takes stdout and
stderr away while it works.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from tutor.base.assets import OFFLINE
from tutor.base.errors import TutorError
from tutor.base.i18n import language, say, use_language

R = TypeVar("R")


class Loaded(msgspec.Struct, frozen=True):
    """A model's file, and a LoRA adapter beside it where there is one."""

    file: str
    lora: str = ""


class Quantize(msgspec.Struct, frozen=True, tag=True):
    """Write `target` from `source` as a type of llama.cpp's. imatrix: .npz of squares a column."""

    source: str
    target: str
    ftype: int
    imatrix: str = ""


class Compare(msgspec.Struct, frozen=True, tag=True):
    """Score the text with the model and with the reference that it was quantized from."""

    model: Loaded
    reference: Loaded
    text: str
    chunks: int


class Speed(msgspec.Struct, frozen=True, tag=True):
    """Time a prompt of so many tokens and the generation of so many."""

    model: Loaded
    prompt_tokens: int
    new_tokens: int


class Tokenize(msgspec.Struct, frozen=True, tag=True):
    model: Loaded
    texts: list[str]


class Logits(msgspec.Struct, frozen=True, tag=True):
    """Write the logits at every position of each row of token ids to a .npz ("0", "1", …)."""

    model: Loaded
    rows: list[list[int]]
    target: str


class Reply(msgspec.Struct, frozen=True, tag=True):
    """Answer each prompt greedily through the chat template."""

    model: Loaded
    prompts: list[str]
    max_tokens: int


class Imatrix(msgspec.Struct, frozen=True, tag=True):
    """Write the mean square of every matrix's inputs over the text to a .npz, by tensor name."""

    model: Loaded
    text: str
    chunks: int
    target: str


class Reference(msgspec.Struct, frozen=True, tag=True):
    """Ask transformers, for the gates: ids of the texts, the template, logits of the fixed rows.

    base: a GGUF file or a Hugging Face folder. adapter: a peft folder on it, or empty.
    target: a .npz with "adapted/0" … and, where there is an adapter, "base/0" …
    """

    base: str
    adapter: str
    texts: list[str]
    samples: list[str]
    target: str


class MergeFolder(msgspec.Struct, frozen=True, tag=True):
    """Merge with peft and save a Hugging Face folder, as vLLM serves it; base and adapter as for
    Reference."""

    base: str
    adapter: str
    target: str


class Said(msgspec.Struct, frozen=True):
    """The reply to Reference. ids: of the texts. samples: of the fixed texts, whose logits are in
    the file asked for. float32: whether they were computed in that, or in bfloat16."""

    ids: list[list[int]]
    samples: list[list[int]]
    template_sha256: str
    float32: bool


Task = Quantize | Compare | Speed | Tokenize | Logits | Reply | Imatrix | Reference | MergeFolder


class Failed(msgspec.Struct, frozen=True):
    """What the child says of a failure that it foresaw."""

    error: str
    hint: str = ""


def call(task: Task, reply: type[R], *, model: str = "") -> R:
    """Do the task in a process of its own and return its reply.

    model: what to name in the error. Raises TutorError where the child fails or dies.
    """
    with tempfile.TemporaryDirectory(prefix="tutor-") as folder:
        answer = Path(folder) / "reply.json"
        command = [sys.executable, "-m", "tutor.workshop.native", str(answer), language()]
        # Threads that spin while they wait would slow down whatever else runs.
        fixed = OFFLINE | {"TOKENIZERS_PARALLELISM": "false"}
        environment = {"OMP_WAIT_POLICY": "PASSIVE"} | dict(os.environ) | fixed
        ended = subprocess.run(
            command,
            input=msgspec.json.encode(task),
            capture_output=True,
            env=environment,
        )
        data = answer.read_bytes() if answer.exists() else b""
    if ended.returncode == 0:
        return msgspec.json.decode(data, type=reply)
    name = model or Path(getattr(task, "target", "")).name
    if data:
        failed = msgspec.json.decode(data, type=Failed)
        raise TutorError(f"{name}: {failed.error}", failed.hint)
    raise TutorError(
        say(
            f"{name}: {type(task).__name__.lower()} ended early: {_last_words(ended)}.",
            f"{name}：{type(task).__name__.lower()} 提前结束：{_last_words(ended)}。",
        ),
        say(
            "Run: tutor doctor --probe. What was there is as it was.",
            "请运行：tutor doctor --probe。原有的内容没有改动。",
        ),
    )


def _last_words(ended: subprocess.CompletedProcess[bytes]) -> str:
    if ended.returncode < 0:
        return say(f"killed by signal {-ended.returncode}", f"被信号 {-ended.returncode} 终止")
    lines = ended.stderr.decode(errors="replace").strip().splitlines()
    return (
        lines[-1][:200]
        if lines
        else say(f"status {ended.returncode}", f"状态码 {ended.returncode}")
    )


def _end_with_parent() -> None:
    """Die with the tutor, where the system can see to it: a file that a killed tutor was writing
    is thrown away by the next, and must not be written on meanwhile."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def main(answer: str, lang: str) -> None:
    _end_with_parent()
    use_language(lang)
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)  # type: ignore[arg-type]
    try:
        if isinstance(task, Reference | MergeFolder):
            from tutor.workshop import reference

            result = reference.do(task)
        else:
            from tutor.workshop import llama

            result = llama.do(task)
    except TutorError as error:
        Path(answer).write_bytes(msgspec.json.encode(Failed(error.message, error.hint)))
        sys.exit(1)
    Path(answer).write_bytes(msgspec.json.encode(result))


if __name__ == "__main__":
    # Not this module's own main: its classes would be others than those that llama.py imports.
    from tutor.workshop import native

    native.main(*sys.argv[1:])
