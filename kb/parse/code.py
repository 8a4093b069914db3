"""Python files and plain text."""

from __future__ import annotations

import ast
import re

from kb.model import Block, Section


def read_python(text: str) -> tuple[str, list[Section]]:
    """Read a Python file: its docstring as text, then each top-level definition, and the code
    between them, as one code block under the definition's name."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):  # Python 2, a template, a null byte
        return "", [Section((), tuple(_paragraphs(text, "code")))]
    lines = re.split(r"\r\n?|\n", text)  # as ast counts them: a form feed ends no line
    sections: list[Section] = []
    body = tree.body
    doc = ast.get_docstring(tree)
    start = 0
    if doc:
        sections.append(Section((), (Block("text", doc),)))
        start, body = body[0].end_lineno or 0, body[1:]
    for node in body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            continue
        first = min([node.lineno, *(d.lineno for d in node.decorator_list)]) - 1
        sections += _code_section((), lines[start:first])
        start = node.end_lineno or first
        sections += _code_section((node.name,), lines[first:start])
    return "", sections + _code_section((), lines[start:])


def read_text(text: str) -> tuple[str, list[Section]]:
    return "", [Section((), tuple(_paragraphs(text, "text")))]


def _code_section(heading: tuple[str, ...], lines: list[str]) -> list[Section]:
    code = "\n".join(lines).strip("\n")
    return [Section(heading, (Block("code", f"```python\n{code}\n```"),))] if code.strip() else []


def _paragraphs(text: str, kind: str) -> list[Block]:
    parts = (part.strip("\n") for part in re.split(r"\n\s*\n", text.replace("\r\n", "\n")))
    return [Block("code" if kind == "code" else "text", part) for part in parts if part.strip()]
