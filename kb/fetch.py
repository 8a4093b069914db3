"""The plan's linked documents over the network, into TUTOR_HOME/sources.

It is laid out as a mirror is (a folder a source, with a SOURCE.json), so that `kb.sync.sync_mirror`
indexes either. A download lies under sources/.incoming until it has proved to be what was promised;
a run that was killed leaves what was there before, and the next run does the rest.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import msgspec

from curriculum.sources import Source
from kb import archive
from kb.download import FetchError, Limits, UnreachableError, Validators, client, download
from kb.parse import LARGEST
from kb.sync import Progress, quiet
from tutor.base import home
from tutor.base.errors import TutorError
from tutor.base.i18n import say

if TYPE_CHECKING:
    import httpx

State = Literal["fetched", "unchanged", "failed", "link only"]
AT_ONCE = 4
INCOMING = ".incoming"


@dataclass(frozen=True)
class Outcome:
    """What became of a source; slug is its folder, with the file where that holds several."""

    slug: str
    state: State
    detail: str = ""


@dataclass(frozen=True)
class Record:
    """What was fetched, for the next run: kept beside it."""

    url: str
    take: str
    validators: Validators
    files: dict[str, int]
    """Sizes in bytes."""


def sources_dir() -> Path:
    return home.home() / "sources"


def fetch_all(
    sources: Sequence[Source],
    week: int | None = None,
    progress: Progress = quiet,
    limits: Limits | None = None,
) -> list[Outcome]:
    """Fetch what is new of the sources that the plan links in a unit (all: None), in their order.

    A source that fails stops no other. Raises TutorError where another process is fetching.
    """
    from filelock import FileLock, Timeout

    folder = sources_dir()
    (folder / INCOMING).mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            return asyncio.run(_Run(folder, sources, limits or Limits(), progress).all(week))
    except Timeout as error:
        raise TutorError(
            say("Another tutor kb sync is fetching.", "另一个 tutor kb sync 正在获取资料。")
        ) from error


@dataclass(frozen=True)
class _Run:
    """One fetch of several sources into a folder."""

    folder: Path
    sources: Sequence[Source]
    limits: Limits
    progress: Progress
    unreachable: dict[str, str] = field(default_factory=dict)
    """Why, by host: without a network the rest of its sources need not wait too."""

    async def all(self, week: int | None) -> list[Outcome]:
        wanted = [source for source in self.sources if source.in_week(week)]
        try:
            http = client(self.limits)
        except FetchError as error:
            return [Outcome(source.name, "failed", str(error)) for source in wanted]
        gate = asyncio.Semaphore(AT_ONCE)
        done = 0
        async with http:

            async def one(source: Source) -> Outcome:
                nonlocal done
                async with gate:
                    outcome = await self._outcome(source, http)
                done += 1
                self.progress("fetch", done, len(wanted))
                return outcome

            return await asyncio.gather(*map(one, wanted))

    async def _outcome(self, source: Source, http: httpx.AsyncClient) -> Outcome:
        if source.kind == "link":
            return Outcome(source.name, "link only", str(source.reason or ""))
        part = self.folder / INCOMING / (source.name.replace("/", "~") + ".part")
        try:
            return await self._fetch(source, http, part)
        except UnreachableError as error:
            self.unreachable[urlsplit(source.url).netloc] = str(error)
            return Outcome(source.name, "failed", str(error))
        except FetchError as error:
            return Outcome(source.name, "failed", str(error))
        except OSError as error:
            return Outcome(source.name, "failed", error.strerror or str(error))
        finally:
            part.unlink(missing_ok=True)

    async def _fetch(self, source: Source, http: httpx.AsyncClient, part: Path) -> Outcome:
        self._recover(source)
        record = self._record(source)
        new = None
        if not (record and source.commit):  # one commit never changes: there is nothing to ask
            if reason := self.unreachable.get(urlsplit(source.url).netloc):
                raise FetchError(reason)
            known = record.validators if record else Validators()
            new = await download(http, source.url, part, known, self._limits(source))
        if new is None:
            self._describe(source)
            return Outcome(source.name, "unchanged")
        install = self._install_pdf if source.kind == "pdf" else self._install_archive
        files = await asyncio.to_thread(install, source, part, new)
        self._describe(source)
        size = f"{sum(files.values()) / 1e6:.1f} MB"
        count = len(files)
        return Outcome(
            source.name,
            "fetched",
            size if count == 1 else say(f"{count} files, {size}", f"{count} 个文件，{size}"),
        )

    def _limits(self, source: Source) -> Limits:
        """No more of a PDF than is read."""
        size = min(self.limits.size, LARGEST) if source.kind == "pdf" else self.limits.size
        return replace(self.limits, size=size)

    def _install_pdf(self, source: Source, part: Path, new: Validators) -> dict[str, int]:
        require_pdf(part)
        files = {source.file: part.stat().st_size}
        target = self.folder / source.slug / source.file
        target.parent.mkdir(exist_ok=True)
        part.replace(target)
        write_json(self._record_file(source), Record(source.url, source.take, new, files))
        return files

    def _install_archive(self, source: Source, part: Path, new: Validators) -> dict[str, int]:
        """Unpack beside, then change the folders: each of the two is there as a whole."""
        _require_start(part, b"PK\x03\x04", "zip")
        fresh, target, old = self._places(source)
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        try:
            files = archive.extract(part, source.take, fresh, self.limits)
        except (FetchError, OSError):
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        entry = {"slug": source.slug, "repo": source.repo, "commit": source.commit}
        write_json(fresh / "SOURCE.json", [entry | {"rx": source.take}])
        write_json(fresh / ".fetch.json", Record(source.url, source.take, new, files))
        if target.exists():
            target.replace(old)
        fresh.replace(target)
        shutil.rmtree(old, ignore_errors=True)
        return files

    def _recover(self, source: Source) -> None:
        """Put right what a run left that was killed while it changed the folders."""
        _, target, old = self._places(source)
        if old.exists() and not target.exists():
            old.replace(target)
        shutil.rmtree(old, ignore_errors=True)

    def _places(self, source: Source) -> tuple[Path, Path, Path]:
        """The folder to be, the one that is indexed, and the one before it."""
        incoming = self.folder / INCOMING
        return incoming / source.slug, self.folder / source.slug, incoming / f"{source.slug}.old"

    def _record_file(self, source: Source) -> Path:
        name = f".{source.file}.json" if source.kind == "pdf" else ".fetch.json"
        return self.folder / source.slug / name

    def _record(self, source: Source) -> Record | None:
        """Return the record, if it is of this source and all of its files are there."""
        file = self._record_file(source)
        try:
            record = msgspec.json.decode(file.read_bytes(), type=Record)
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        if (record.url, record.take) != (source.url, source.take):
            return None
        there = all(_size(file.parent / path) == size for path, size in record.files.items())
        return record if there else None

    def _describe(self, source: Source) -> None:
        """Write the SOURCE.json of a folder of PDFs: those of its sources that are there."""
        if source.kind != "pdf":
            return
        folder = self.folder / source.slug
        entries = [
            {"file": other.file, "url": other.page}
            for other in self.sources
            if other.slug == source.slug and (folder / other.file).is_file()
        ]
        write_json(folder / "SOURCE.json", entries)


def require_pdf(part: Path) -> None:
    """Refuse what is no PDF, or not all of one: a cut-off PDF has no end mark."""
    _require_start(part, b"%PDF", "PDF")
    with part.open("rb") as stream:
        stream.seek(max(0, part.stat().st_size - 4096))
        if b"%%EOF" not in stream.read():
            raise FetchError(say("the PDF is cut off", "PDF 不完整"))


def _require_start(part: Path, mark: bytes, kind: str) -> None:
    with part.open("rb") as stream:
        head = stream.read(512)
    if head.startswith(mark):
        return
    is_page = b"<html" in head.lower() or b"<!doctype" in head.lower()
    got = say("a web page", "网页") if is_page else say("something else", "其他内容")
    raise FetchError(say(f"{got} came instead of a {kind}", f"收到的是{got}，不是 {kind}"))


def write_json(path: Path, value: Any) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=1))
    temporary.replace(path)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1
