"""Documents out of a repository's zip archive, without what an archive can do to a machine."""

from __future__ import annotations

import re
import stat
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from kb.download import FetchError, Limits
from kb.parse import SUFFIXES
from tutor.base.i18n import say

LICENCE = re.compile(r"LICEN[SC]E[\w.-]*")
BLOCK = 1 << 16


def extract(archive: Path, take: str, into: Path, limits: Limits) -> dict[str, int]:
    """Unpack the documents whose paths in the repository match `take`, and its licence files.

    Returns the size in bytes of each file by its path. Links are skipped. Raises FetchError where
    the archive is damaged, reaches out of its folder, unpacks to more than the limits or holds
    none of the documents.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            chosen = _chosen(opened, re.compile(take))
            _require_modest(chosen, limits)
            files: dict[str, int] = {}
            for path, member in chosen.items():
                left = limits.unpacked - sum(files.values())
                files[path] = _write(opened, member, into / path, left)
    except (zipfile.BadZipFile, zlib.error, struct.error, ValueError, EOFError) as error:
        raise FetchError(say(f"damaged archive: {error}", f"压缩包已损坏：{error}")) from error
    if not any(not LICENCE.fullmatch(path) for path in files):
        raise FetchError(say("holds none of the documents", "压缩包中没有所需的文档"))
    return files


def _chosen(opened: zipfile.ZipFile, take: re.Pattern[str]) -> dict[str, zipfile.ZipInfo]:
    """Return the members to unpack by their path in the repository."""
    chosen = {}
    for member in opened.infolist():
        parts = PurePosixPath(member.filename).parts
        if ".." in parts or member.filename.startswith("/"):
            raise FetchError(
                say(
                    f"the archive reaches out of its folder ({member.filename}), refused",
                    f"压缩包试图写到目录之外（{member.filename}），已拒绝",
                )
            )
        path = "/".join(parts[1:])  # GitHub puts all into one folder, name-commit/
        if _is_plain(member) and (LICENCE.fullmatch(path) or _is_wanted(path, take)):
            chosen[path] = member
    return chosen


def _is_plain(member: zipfile.ZipInfo) -> bool:
    """Tell whether it is a file, not a folder, link or device. Mode 0 is from other systems."""
    kind = stat.S_IFMT(member.external_attr >> 16)
    return not member.is_dir() and kind in (0, stat.S_IFREG)


def _is_wanted(path: str, take: re.Pattern[str]) -> bool:
    # A backslash or colon would be a path of its own on Windows.
    readable = PurePosixPath(path).suffix.lower() in SUFFIXES
    return readable and not re.search(r"[\\:]", path) and take.search(path) is not None


def _require_modest(chosen: dict[str, zipfile.ZipInfo], limits: Limits) -> None:
    """Refuse by what the archive says of itself; `_write` holds it to that."""
    members = chosen.values()
    total = sum(member.file_size for member in members)
    steep = any(m.file_size > limits.ratio * max(m.compress_size, 1) for m in members)
    if len(chosen) > limits.members or total > limits.unpacked or steep:
        raise _bomb()
    usual = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    if any(member.flag_bits & 1 or member.compress_type not in usual for member in members):
        raise FetchError(say("encrypted or oddly packed archive", "压缩包已加密或压缩方式特殊"))


def _write(opened: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, left: int) -> int:
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with opened.open(member) as stream, target.open("wb") as out:
        while block := stream.read(BLOCK):
            written += len(block)
            if written > left:
                raise _bomb()
            out.write(block)
    return written


def _bomb() -> FetchError:
    return FetchError(say("unpacks to too much, refused", "解压后体积过大，已拒绝"))
