"""Jupyter notebooks: their cells as one Markdown text."""

from __future__ import annotations

import json
from typing import Any

from kb.model import Section, UnreadableError
from kb.parse import markdown

LONGEST_OUTPUT = 300
"""Characters. A short printed result belongs to its code; a long one is a log or a table dump."""


def read(text: str) -> tuple[str, list[Section]]:
    """Read Markdown and code cells, and outputs that are short plain text."""
    try:
        book = json.loads(text)
        cells = [_cell(cell, _language(book)) for cell in _cells(book)]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableError(
            f"not a notebook: {error}", f"不是有效的 notebook：{error}"
        ) from error
    return markdown.read("\n\n".join(cell for cell in cells if cell))


def _cells(book: dict[str, Any]) -> list[dict[str, Any]]:
    if "cells" in book:
        return book["cells"]
    return [cell for sheet in book["worksheets"] for cell in sheet["cells"]]  # format 3


def _language(book: dict[str, Any]) -> str:
    return book.get("metadata", {}).get("kernelspec", {}).get("language") or "python"


def _cell(cell: dict[str, Any], language: str) -> str:
    source = _joined(cell.get("source", cell.get("input", ""))).strip("\n")
    if cell.get("cell_type") == "markdown":
        return source
    if cell.get("cell_type") != "code" or not source.strip():
        return ""
    output = "\n".join(filter(None, map(_output, cell.get("outputs", ())))).strip()
    shown = f"\n\n```\n{output}\n```" if output and len(output) <= LONGEST_OUTPUT else ""
    return f"```{language}\n{source}\n```{shown}"


def _output(output: dict[str, Any]) -> str:
    """What was printed; where a picture or a widget was shown, its text is but an object's name."""
    if output.get("output_type") == "stream":
        return markdown.without_noise(_joined(output.get("text", "")))
    data = output.get("data", {})
    if any(kind.startswith(("image/", "application/vnd.")) for kind in data):
        return ""
    return markdown.without_noise(_joined(data.get("text/plain", "")))


def _joined(source: str | list[str]) -> str:
    return source if isinstance(source, str) else "".join(source)
