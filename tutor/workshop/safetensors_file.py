"""Safetensors read by name as float32, bfloat16 included (which numpy has no type for)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tutor.base.errors import TutorError
from tutor.base.i18n import say

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2", "F64": "<f8"}


@dataclass(frozen=True)
class Entry:
    """Where a tensor lies. start, end: bytes in the file."""

    file: Path
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


def entries(folder: Path, single: str) -> dict[str, Entry]:
    """Return every tensor of `folder/single`, or of the shards that its index names.

    Raises TutorError where there is none, or a file is broken off.
    """
    index = folder / f"{single}.index.json"
    if (folder / single).is_file():
        names = [single]
    elif index.is_file():
        names = sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
    else:
        raise TutorError(
            say(f"There is no {single} in {folder}.", f"{folder} 中没有 {single}。"),
            say(
                "Save it with save_pretrained(…): safetensors is its default.",
                "请用 save_pretrained(…) 保存，它默认写 safetensors。",
            ),
        )
    return {name: entry for file in names for name, entry in _header(folder / file).items()}


def read(entry: Entry) -> NDArray[Any]:
    """Return a tensor as float32."""
    import numpy as np

    count = (entry.end - entry.start) // np.dtype(_TYPES[entry.dtype]).itemsize
    raw = np.fromfile(entry.file, _TYPES[entry.dtype], count, offset=entry.start)
    if entry.dtype == "BF16":  # the upper half of a float32
        raw = (raw.astype(np.uint32) << 16).view(np.float32)
    return raw.astype(np.float32, copy=False).reshape(entry.shape)


def _header(file: Path) -> dict[str, Entry]:
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 0 < length <= size - 8:
                raise ValueError(say("its header is broken off", "文件头不完整"))
            header = json.loads(stream.read(length))
        found = {
            name: Entry(file, tensor["dtype"], tuple(tensor["shape"]),
                        8 + length + tensor["data_offsets"][0],
                        8 + length + tensor["data_offsets"][1])
            for name, tensor in header.items()
            if name != "__metadata__"
        }  # fmt: skip
        if max((entry.end for entry in found.values()), default=0) > size:
            raise ValueError(say("it is broken off", "文件被截断"))
        if strange := {e.dtype for e in found.values()} - set(_TYPES):
            raise ValueError(
                say(
                    f"tensors of type {', '.join(strange)}", f"含有 {', '.join(strange)} 类型的张量"
                )
            )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TutorError(
            say(f"{file} cannot be read: {error}", f"无法读取 {file}：{error}"),
            say(
                "Save it again, unquantized, with save_pretrained(…).",
                "请用 save_pretrained(…) 重新保存（不要量化）。",
            ),
        ) from error
    return found
