"""Filling the index: the plan's lessons, the libraries' docstrings, a mirror of the linked
documents, the learner's own files.

Each document is committed by itself, then vectors are made for whatever has none. So a run that
was killed is finished by the next one, whichever command it is, and ends the same.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kb import chunk, encoder
from kb.docstrings import PACKAGES, ApiEntry, api_entries, fingerprint, package_info
from kb.model import Block, Document, Piece, Section, UnreadableError
from kb.parse import LARGEST, SUFFIXES, parse
from kb.store import DocumentRow, Store
from tutor.base.errors import TutorError, nearest
from tutor.base.i18n import Language, say

Progress = Callable[[str, int, int], None]
"""Called with what is being done ("fetch", "read", "embed" or "send"), how many are done, and of how many."""

MINE = "mine"
"""The source of what the learner adds."""
BATCH = 256
"""Passages embedded between two commits: some seconds of work to lose."""

PACKAGE_WEEKS: dict[str, tuple[int, ...]] = {
    "transformers": (1, 2, 3, 5),
    "datasets": (2,),
    "accelerate": (2, 5),
    "peft": (5,),
    "bitsandbytes": (5, 9),
    "sentence_transformers": (7,),
    "llama_index.core": (7,),
    "trl": (8,),
}


@dataclass(frozen=True)
class Problem:
    """A file that was left out, and why."""

    path: str
    reason: str


@dataclass
class Summary:
    """What a sync did, in documents; embedded in passages."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    embedded: int = 0
    without_vectors: int = 0
    """Passages left for word search only, because the encoder is not there."""
    problems: list[Problem] = field(default_factory=list)

    def __add__(self, other: Summary) -> Summary:
        """Return both runs as one; what lacks vectors is counted by the later one."""
        return Summary(
            self.added + other.added,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
            self.removed + other.removed,
            self.embedded + other.embedded,
            other.without_vectors,
            [*self.problems, *other.problems],
        )


@dataclass(frozen=True)
class Item:
    """A document to be, with its bytes and the way to cut them into passages."""

    row: DocumentRow
    load: Callable[[], tuple[str, Language, list[Piece]]]
    """Returns title, language and passages. Raises UnreadableError."""


def quiet(doing: str, done: int, of: int) -> None:
    """Report no progress."""


def build_default(store: Store, progress: Progress = quiet) -> Summary:
    """Index what comes with the tutor: the lessons and the docstrings of installed libraries."""
    summary = Summary()
    _put_all(store, "lessons", list(_lesson_items(summary)), summary, progress)
    for package in PACKAGES:
        _put_docstrings(store, package, summary, progress)
    embed(store, summary, progress)
    return summary


def _put_docstrings(store: Store, package: str, summary: Summary, progress: Progress) -> None:
    """Index a package's docstrings, unless this version's are all there: reading them takes
    seconds."""
    source = f"docstrings/{package}"
    made_of = f"{fingerprint(package)} {PACKAGE_WEEKS.get(package, ())}"
    count = len(store.hashes(source))
    if store.note(source) == f"{made_of} {count}":
        summary.unchanged += count
        return
    _put_all(store, source, list(_docstring_items(package)), summary, progress)
    store.set_note(source, f"{made_of} {len(store.hashes(source))}")


def sync_mirror(
    store: Store, folder: Path, week: int | None = None, progress: Progress = quiet
) -> Summary:
    """Index a mirror: each folder in it with a SOURCE.json is a source.

    week: only the sources that the plan links in that unit (0 to 9).
    Raises TutorError where the folder holds no source.
    """
    sources = [Source.read(path.parent) for path in sorted(folder.glob("*/SOURCE.json"))]
    if not sources:
        raise TutorError(
            say(
                f"{folder} holds no source (a folder with a SOURCE.json).",
                f"{folder} 中没有资料源（含 SOURCE.json 的目录）。",
            ),
            say(
                "For a folder of your own files: tutor kb add PATH",
                "要加入自己的文件夹，请用：tutor kb add 路径",
            ),
        )
    sources = [source for source in sources if week is None or week in source.weeks]
    summary = Summary()
    total = sum(len(source.files) for source in sources)
    done = 0
    for source in sources:
        items = list(_file_items(source, summary))

        def step(doing: str, at: int, _: int, before: int = done) -> None:
            progress(doing, before + at, total)

        _put_all(store, source.name, items, summary, step)
        done += len(source.files)
    embed(store, summary, progress)
    return summary


def add(store: Store, path: Path, progress: Progress = quiet) -> Summary:
    """Index a file or a folder of the learner's, as source "mine".

    Adding a folder again brings it up to date; another one of the same name stands beside it.
    Raises TutorError where there is nothing at the path.
    """
    path = path.resolve()
    if not path.exists():
        raise TutorError(say(f"There is nothing at {path}.", f"{path} 不存在。"))
    root = path if path.is_dir() else path.parent
    files = _readable(path) if path.is_dir() else [path]
    source = Source(MINE, root, "", {}, (), tuple(files), prefix=_prefix(store, root))
    summary = Summary()
    items = list(_file_items(source, summary))
    within = f"{source.prefix}/" if path.is_dir() else None
    _put_all(store, MINE, items, summary, progress, within)
    embed(store, summary, progress)
    return summary


def _prefix(store: Store, root: Path) -> str:
    """Return what stands before the paths of a folder's documents, and note whose it is.

    That is its name, or, where another folder or the web's pages go by that name, the name with a
    hash of the folder's path. A folder that was added before roots were noted keeps its name.
    """
    from kb.pages import pages_dir

    plain = f"{MINE}/{_escaped(root.name)}"
    own = f"{plain}-{hashlib.sha256(os.fsencode(root)).hexdigest()[:8]}"
    held = store.hashes(MINE)
    if any(path.startswith(f"{own}/") for path in held):
        return own
    there = any(path.startswith(f"{plain}/") for path in held)
    noted = store.note(f"root {plain}")
    taken = there and noted not in ("", _escaped(str(root)))
    if taken or root.name == pages_dir().name:
        return own
    store.set_note(f"root {plain}", _escaped(str(root)))
    return plain


def add_pages(store: Store, folder: Path, progress: Progress = quiet) -> Summary:
    """Index the pages that were fetched for the learner, as source "mine".

    folder: as `kb.pages.fetch_page` fills it. Raises TutorError where its SOURCE.json is not valid.
    """
    prefix = f"{MINE}/{folder.name}"
    source = replace(Source.read(folder), name=MINE, licence="", weeks=(), prefix=prefix)
    summary = Summary()
    _put_all(store, MINE, list(_file_items(source, summary)), summary, progress, f"{prefix}/")
    embed(store, summary, progress)
    return summary


def remove(store: Store, name: str) -> int:
    """Remove a source or a document by its name; return how many documents went.

    What was a copy of a passage that went is searched itself from now on.
    Raises TutorError with the nearest names where there is none.
    """
    count = store.remove("source = ?", [name]) or store.remove("path = ?", [name])
    count = count or store.remove("substr(path, 1, length(?) + 1) = ? || '/'", [name, name])
    if not count:
        known = [row[0] for row in store.db.execute("SELECT DISTINCT source FROM documents")]
        known += [row[0] for row in store.db.execute("SELECT path FROM documents")]
        raise TutorError(
            say(f"There is no source or document {name!r}.", f"没有名为 {name!r} 的资料源或文档。"),
            say(f"Nearest: {nearest(name, known)}", f"最接近的：{nearest(name, known)}"),
        )
    embed(store, Summary())
    return count


def embed(store: Store, summary: Summary, progress: Progress = quiet) -> None:
    """Tell copies from passages, make the vectors that are missing, and bring up to date what
    searches them."""
    _embed(store, summary, progress)
    from kb import outside, vectors

    vectors.update_codes(store)
    if open_outside := outside.opener(store):
        open_outside().fill(progress)


def _embed(store: Store, summary: Summary, progress: Progress) -> None:
    """Make the missing vectors in batches that are committed one by one."""
    store.collapse()
    store.sign()
    if not encoder.present():
        summary.without_vectors = store.without_vectors()
        return
    pending = store.pending()
    if not pending:
        return
    progress("embed", 0, len(pending))
    batches = encoder.BatchEncoder()
    # By length, so that a batch holds little padding; by id where equal, to be the same each time.
    pending.sort(key=lambda entry: (len(entry[1]), entry[0]))
    for at in range(0, len(pending), BATCH):
        batch = pending[at : at + BATCH]
        store.put_vectors([id_ for id_, _ in batch], batches.encode([text for _, text in batch]))
        summary.embedded += len(batch)
        progress("embed", summary.embedded, len(pending))


def _put_all(
    store: Store,
    source: str,
    items: list[Item],
    summary: Summary,
    progress: Progress,
    within: str | None = "",
) -> None:
    """Bring a source's documents to what `items` say; skip what is unchanged.

    within: documents under this path that are not among the items are removed; None removes none.
    """
    known = store.hashes(source)
    for at, item in enumerate(items, 1):
        path = item.row.path
        if known.get(path) == item.row.sha256:
            summary.unchanged += 1
        else:
            _put(store, item, path in known, summary)
        progress("read", at, len(items))
    weeks = {item.row.path: item.row.weeks for item in items if item.row.path in known}
    if items:
        store.describe(source, items[0].row.licence, weeks)
    if within is None:
        return
    there = {item.row.path for item in items}
    for path in sorted(known):
        if path.startswith(within) and path not in there:
            summary.removed += store.remove("path = ?", [path])


def _put(store: Store, item: Item, is_known: bool, summary: Summary) -> None:
    try:
        title, lang, pieces = item.load()
        if not pieces:
            raise UnreadableError("holds no text", "没有可用的文字")
    except UnreadableError as error:
        summary.problems.append(Problem(item.row.path, error.reason))
        summary.removed += store.remove("path = ?", [item.row.path])
        return
    store.put(replace(item.row, title=title, lang=lang), pieces)
    if is_known:
        summary.updated += 1
    else:
        summary.added += 1


# Files


@dataclass(frozen=True)
class Source:
    """A folder of documents: where they came from and which units of the plan link them."""

    name: str
    folder: Path
    licence: str
    urls: dict[str, str]
    """By file, or under "" the address that a file's path is added to."""
    weeks: tuple[int, ...]
    files: tuple[Path, ...]
    prefix: str = ""
    """What stands before a file's path; the source's name where empty."""

    @staticmethod
    def read(folder: Path) -> Source:
        """Read the folder's SOURCE.json.

        Raises TutorError where it is not valid.
        """
        try:
            entries = json.loads((folder / "SOURCE.json").read_text("utf-8"))
            entries = entries if isinstance(entries, list) else [entries]
            urls = dict(map(_url, entries))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TutorError(
                say(
                    f"{folder / 'SOURCE.json'} is not valid: {error}",
                    f"{folder / 'SOURCE.json'} 无效：{error}",
                )
            ) from error
        return Source(
            folder.name,
            folder,
            _licence(folder),
            urls,
            _weeks(folder.name),
            tuple(_readable(folder)),
        )

    def url(self, relative: str) -> str:
        if relative in self.urls:
            return self.urls[relative]
        return f"{self.urls['']}/{relative}" if "" in self.urls else ""


def _url(entry: dict[str, Any]) -> tuple[str, str]:
    """An entry names a repository, one file that was taken out of one, or a file's own address."""
    from urllib.parse import quote

    if "url" in entry:
        return entry["file"], entry["url"]
    base = f"https://github.com/{entry['repo']}/blob/{entry['commit']}"
    return (entry["file"], f"{base}/{quote(entry['path'])}") if "file" in entry else ("", base)


def _licence(folder: Path) -> str:
    """Name the licence in the folder's licence file; empty where none is known."""
    for path in sorted(folder.glob("LICEN[SC]E*")):
        head = path.read_text("utf-8", "replace")[:1500]
        for mark, name in (
            ("Apache License", "Apache-2.0"),
            ("MIT License", "MIT"),
            ("Permission is hereby granted, free of charge", "MIT"),
            ("Redistribution and use in source", "BSD"),
            ("Attribution-ShareAlike 4.0", "CC-BY-SA-4.0"),
            ("Attribution 4.0", "CC-BY-4.0"),
            ("GNU", "GPL"),
        ):
            if mark in head:
                return name
    return ""


def _weeks(source: str) -> tuple[int, ...]:
    """The units whose resources the plan takes from this source."""
    import curriculum

    try:
        units = curriculum.units()
    except FileNotFoundError:  # units that are not written yet link nothing
        return ()
    return tuple(unit.number for unit in units if any(r.source == source for r in unit.resources))


def _readable(folder: Path) -> list[Path]:
    """The files under a folder whose names say a kind that is read, in a fixed order."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and path.is_file()
        and not path.name.startswith(("LICENSE", "LICENCE", "."))
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _file_items(source: Source, summary: Summary) -> Iterator[Item]:
    for path in source.files:
        relative = path.relative_to(source.folder).as_posix()
        name = f"{source.prefix or source.name}/{_escaped(relative)}"
        try:
            if path.stat().st_size > LARGEST:
                raise UnreadableError("larger than 25 MB", "超过 25 MB")
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except UnreadableError as error:
            summary.problems.append(Problem(name, error.reason))
            continue
        except OSError as error:
            summary.problems.append(Problem(name, str(error.strerror)))
            continue
        row = DocumentRow(
            name, source.name, "", "en", source.licence, source.url(relative), source.weeks, digest
        )
        yield Item(row, lambda path=path: _load(path))  # type: ignore[misc]


def _escaped(name: str) -> str:
    """Write bytes of a file's name that are no UTF-8 as escapes: SQLite does not take them."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _load(path: Path) -> tuple[str, Language, list[Piece]]:
    try:
        document = parse(path, path.read_bytes())
    except OSError as error:
        raise UnreadableError(str(error.strerror), str(error.strerror)) from error
    return document.title, document.lang, chunk.passages(document)


# Lessons and docstrings


def _lesson_items(summary: Summary) -> Iterator[Item]:
    import curriculum

    for number, unit in enumerate(curriculum.ORDER):
        for path in sorted((curriculum.ROOT / unit).glob("lesson.*.md")):
            name = f"lessons/{unit}.{path.suffixes[0].strip('.')}.md"
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            row = DocumentRow(name, "lessons", "", "en", "MIT", "", (number,), digest)
            yield Item(row, lambda path=path: _load(path))  # type: ignore[misc]


def _docstring_items(package: str) -> Iterator[Item]:
    """One document for each class, with its methods, and for each function."""
    for name, entries in _grouped(api_entries([package])).items():
        _, licence, url = package_info(package)
        digest = hashlib.sha256(repr(entries).encode()).hexdigest()
        short = name.removeprefix(f"{package}.").replace(".", "/")
        row = DocumentRow(
            f"docstrings/{package}/{short}",
            f"docstrings/{package}",
            name,
            "en",
            licence,
            url,
            PACKAGE_WEEKS.get(package, ()),
            digest,
        )
        yield Item(row, lambda name=name, entries=entries: _api_pieces(name, entries))  # type: ignore[misc]


def _grouped(entries: Iterable[ApiEntry]) -> dict[str, list[ApiEntry]]:
    groups: dict[str, list[ApiEntry]] = {}
    for entry in entries:
        name = entry.name.rpartition(".")[0] if entry.kind == "method" else entry.name
        groups.setdefault(name, []).append(entry)
    return groups


def _api_pieces(name: str, entries: list[ApiEntry]) -> tuple[str, Language, list[Piece]]:
    sections = []
    for entry in entries:
        heading = (name,) if entry.name == name else (name, entry.name.rpartition(".")[2])
        sections.append(Section(heading, tuple(_api_blocks(entry))))
    return name, "en", chunk.passages(Document(name, tuple(sections), "en"))


def _api_blocks(entry: ApiEntry) -> Iterator[Block]:
    yield Block("code", f"{entry.kind} {_clipped(entry.signature, 400)}")
    yield Block("text", entry.summary)
    for name, annotation, default, text in entry.parameters:
        if text:
            about = ", ".join(filter(None, (annotation, default and f"default {default}")))
            yield Block("list", f"- {name} ({about}): {text}" if about else f"- {name}: {text}")
    if entry.returns:
        yield Block("text", f"Returns {entry.returns}")
    for part in filter(None, entry.description.split("\n\n")):
        yield Block("code" if ">>>" in part or "```" in part else "text", part)


def _clipped(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def without_vectors_note(summary: Summary) -> str:
    """Return what to tell the learner where passages were left without vectors, else nothing."""
    if not summary.without_vectors:
        return ""
    command = f"tutor model pull {encoder.ASSET}"
    return say(
        f"{summary.without_vectors} passages can be found by words only: the encoder is not "
        f"there. Get it, then sync again: {command}",
        f"{summary.without_vectors} 段只能按词检索：缺少编码器。获取后请重新同步：{command}",
    )
