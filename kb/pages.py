"""Single pages of the web that the learner asks for, into TUTOR_HOME/added.

The folder is kept, so that an index that is made anew can hold them without the network.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import msgspec

from kb.download import FetchError, Limits, Validators, client, download
from kb.fetch import require_pdf, write_json
from kb.parse import LARGEST, SUFFIXES
from tutor.base import home
from tutor.base.errors import MissingError
from tutor.base.i18n import say

LIMITS = Limits(total_s=120, size=LARGEST)


@dataclass(frozen=True)
class Page:
    """A page that was fetched: an entry of the folder's SOURCE.json."""

    file: str
    url: str
    validators: Validators


def pages_dir() -> Path:
    return home.home() / "added"


def is_address(text: str) -> bool:
    return text.lower().startswith(("http://", "https://"))


def fetch_page(url: str, limits: Limits = LIMITS) -> Path:
    """Fetch a page, or what is new of it, and return its file.

    The address is the learner's own choice and may lie in their network; a redirect may not lead
    there. Raises MissingError where it cannot be had, or is no PDF as its name says.
    """
    from filelock import FileLock

    folder = pages_dir()
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / ".part"
    with FileLock(folder / ".lock"):
        try:
            return asyncio.run(_fetch(url, folder, part, limits))
        except (FetchError, OSError) as error:
            raise MissingError(
                say(f"{url} was not added: {error}", f"未能加入 {url}：{error}")
            ) from error
        finally:
            part.unlink(missing_ok=True)


async def _fetch(url: str, folder: Path, part: Path, limits: Limits) -> Path:
    pages = {page.url: page for page in _pages(folder)}
    known = pages.get(url)
    there = known is not None and (folder / known.file).is_file()
    async with client(limits) as http:
        validators = known.validators if known and there else Validators()
        new = await download(http, url, part, validators, limits)
    if new is None and known:
        return folder / known.file
    page = Page(_file_name(url, part), url, new or Validators())
    target = folder / page.file
    target.parent.mkdir(exist_ok=True)
    part.replace(target)
    if known and known.file != page.file:  # it is of another kind now
        (folder / known.file).unlink(missing_ok=True)
    write_json(folder / "SOURCE.json", list((pages | {url: page}).values()))
    return target


def forget(name: str) -> None:
    """Delete the pages whose documents a name stands for, as in `kb.sync.remove`."""
    folder = pages_dir()
    kept = []
    for page in _pages(folder):
        document = f"mine/{folder.name}/{page.file}"
        if f"{document}/".startswith(f"{name}/"):
            (folder / page.file).unlink(missing_ok=True)
        else:
            kept.append(page)
    if folder.is_dir():
        write_json(folder / "SOURCE.json", kept)


def _pages(folder: Path) -> list[Page]:
    try:
        return msgspec.json.decode((folder / "SOURCE.json").read_bytes(), type=list[Page])
    except (FileNotFoundError, msgspec.DecodeError):
        return []


def _file_name(url: str, part: Path) -> str:
    """Name the file for its host, its address's end and what it holds: "host/page-1a2b3c4d.html".

    Raises FetchError where it is a PDF by its name only, or cut off.
    """
    address = urlsplit(url)
    last = PurePosixPath(unquote(address.path))
    stem = re.sub(r"[^\w-]+", "-", last.stem).strip("-")[:60] or "page"
    digest = hashlib.sha256(url.encode()).hexdigest()[:8]
    host = re.sub(r"[^\w.-]+", "-", address.hostname or "host").strip(".")
    return f"{host}/{stem}-{digest}{_suffix(last.suffix.lower(), part)}"


def _suffix(named: str, part: Path) -> str:
    with part.open("rb") as stream:
        head = stream.read(2048).lstrip().lower()
    if head.startswith(b"%pdf") or named == ".pdf":
        require_pdf(part)
        return ".pdf"
    if b"<html" in head or head.startswith(b"<!doctype html"):
        return ".html"
    return named if named in SUFFIXES else ".txt"
