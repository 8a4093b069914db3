"""Writing so that what bears its final name is whole: under another, synced, renamed at the end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written(target: Path) -> Iterator[Path]:
    """Give a file to write, which becomes `target` where the block ends well, and else goes away.

    Two processes that write the same have a file each: one of the two stays, whole.
    """
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        yield part
        sync(part)
        part.replace(target)
        sync(target.parent)
    finally:
        part.unlink(missing_ok=True)


def write(target: Path, data: bytes) -> None:
    with written(target) as part:
        part.write_bytes(data)


def sync(path: Path) -> None:
    """Make a file's bytes, or a folder's names, survive a power cut."""
    if os.name != "posix" and path.is_dir():
        return  # Windows has no such call for folders
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
