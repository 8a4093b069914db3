"""The lessons as running text, for exercises that want a small corpus."""

from __future__ import annotations

import re

import curriculum
from tutor.base.i18n import Language

_FENCE = re.compile(r"^( *)(```+|~~~+).*?^\1\2 *$", re.MULTILINE | re.DOTALL)
_TABLE = re.compile(r"^ *\|.*\|? *$", re.MULTILINE)
_IMAGE = re.compile(r"!\[[^\]]*\]\([^)]*\)")
_LINK = re.compile(r"\[([^\]]+)\]\([^)\s]*(?: \"[^\"]*\")?\)")
_MARKS = re.compile(r"\*\*|__|`|(?<![\w*])\*(?=\S)|(?<=\S)\*(?![\w*])")
_LEADING = re.compile(r"^ *(?:#+|>|[-*+]|\d+\.) +", re.MULTILINE)
_CHINESE_BREAK = re.compile(
    r"(?<=[\u3000-\u9fff\uff00-\uffef])\n|\n(?=[\u3000-\u9fff\uff00-\uffef])"
)


def prose(lang: Language) -> str:
    """Return the lessons' paragraphs in the order of study, one a line."""
    files = [unit.lesson_file(lang) for unit in curriculum.units()]
    return "".join(_plain(file.read_text("utf-8")) for file in files if file)


def _plain(markdown: str) -> str:
    text = _TABLE.sub("", _FENCE.sub("", markdown))
    text = _MARKS.sub("", _LINK.sub(r"\1", _IMAGE.sub("", text)))
    lines = []
    for block in re.split(r"\n\s*\n", text):
        # A list's items are a line each; a paragraph's line breaks are the editor's.
        for item in re.split(r"\n(?= *(?:#|>|[-*+] |\d+\. ))", block):
            plain = _CHINESE_BREAK.sub("", _LEADING.sub("", item.strip()))
            if plain := " ".join(plain.split()):
                lines.append(plain + "\n")
    return "".join(lines)
