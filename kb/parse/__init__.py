"""Documents out of files: Markdown, MDX, reStructuredText, HTML, notebooks, PDF, Python, text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from kb.model import Document, Section, UnreadableError
from kb.parse import code, html, markdown, notebook, pdf, rst
from tutor.base.i18n import Language, detect

LARGEST = 25 * 1024 * 1024
"""Bytes. Larger files are data, not reading; they are reported and left out."""

Sections = tuple[str, list[Section]]
"""A title (empty where the document names none) and the sections."""

_TEXT_READERS: dict[str, Callable[[str], Sections]] = {
    ".md": markdown.read,
    ".markdown": markdown.read,
    ".mdx": markdown.read,
    ".rst": rst.read,
    ".html": html.read,
    ".htm": html.read,
    ".ipynb": notebook.read,
    ".py": code.read_python,
    ".txt": code.read_text,
    ".cff": code.read_text,
}
SUFFIXES = frozenset({*_TEXT_READERS, ".pdf"})


def parse(path: Path, data: bytes) -> Document:
    """Parse a file's bytes by its name's suffix.

    Raises UnreadableError where the file is empty, broken, of another kind than its name says,
    larger than LARGEST, nested too deeply, or holds no text.
    """
    suffix = path.suffix.lower()
    if len(data) > LARGEST:
        raise UnreadableError("larger than 25 MB", "超过 25 MB")
    if not data.strip():
        raise UnreadableError("the file is empty", "文件为空")
    if suffix not in SUFFIXES:
        raise UnreadableError(f"{suffix or path.name}: not a kind that is read", "不支持的文件类型")
    try:
        if suffix == ".pdf":
            title, sections = pdf.read(data)
        else:
            title, sections = _TEXT_READERS[suffix](decode(data))
    except (RecursionError, MemoryError) as error:  # Python's own parser ends with either
        raise UnreadableError("nested too deeply", "嵌套过深") from error
    sections = [_storable(section) for section in sections if section.blocks]
    if not sections:
        raise UnreadableError("holds no text", "没有可用的文字")
    title = _encodable(title or _title_from_name(path))
    return Document(title, tuple(sections), _language(sections))


def _storable(section: Section) -> Section:
    return replace(
        section,
        heading=tuple(map(_encodable, section.heading)),
        blocks=tuple(replace(block, text=_encodable(block.text)) for block in section.blocks),
    )


def _encodable(text: str) -> str:
    """Drop lone surrogates, which an escape in a notebook or a docstring can stand for: SQLite and
    the encoder take none."""
    return text.encode("utf-8", "ignore").decode("utf-8")


def decode(data: bytes) -> str:
    """Decode text: UTF-8 or UTF-16 with a byte-order mark, else UTF-8, else GB 18030, which older
    Chinese files are in. Raises UnreadableError for anything else and for binary data."""
    for mark, encoding in (
        (b"\xef\xbb\xbf", "utf-8-sig"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if data.startswith(mark):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError:
                break
    if b"\0" in data:
        raise UnreadableError("binary data, not text", "是二进制数据，不是文本")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    try:
        text = data.decode("gb18030")
    except UnicodeDecodeError:
        text = ""
    # Most byte strings decode as some GB 18030; text in it is mostly common characters and ASCII.
    common = sum(
        "\u4e00" <= c <= "\u9fff" or " " <= c <= "~" or c in "\r\n\t，。、：；！？（）“”《》"
        for c in text
    )
    if not text or common < 0.9 * len(text):
        raise UnreadableError("its text encoding is not known", "无法识别文本编码")
    return text


def _title_from_name(path: Path) -> str:
    name = path.stem
    if name.lower() in ("index", "readme", "_index") and path.parent.name:
        name = path.parent.name
    return name.replace("-", " ").replace("_", " ").strip()


def _language(sections: list[Section]) -> Language:
    """The language of the prose; of the code's comments where there is no prose."""
    prose = " ".join(b.text for s in sections for b in s.blocks if b.kind in ("text", "list"))
    return detect(prose or " ".join(b.text for s in sections for b in s.blocks))
