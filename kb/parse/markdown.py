"""Markdown and MDX. markdown-it finds the structure; the text stays as its author wrote it,
so that a quotation from a passage can be found in the source again."""

from __future__ import annotations

import html
import re
from functools import cache
from typing import TYPE_CHECKING

from kb.model import Block, Section

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

LONGEST_HEADING = 120
"""Characters. A longer line above a rule is a paragraph."""
_FENCE = re.compile(r"^\s*(`{3,}|~{3,})")
_FRONT_MATTER = re.compile(r"\A---\s*\n(.*?)\n---\s*\n", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_ANCHOR = re.compile(r"\s*(\[\[[^\[\]]*\]\]|\{#[\w-]+\})\s*$")
_AUTODOC = re.compile(r"^\[\[autodoc\]\].*(?:\n[ \t]+- .*)*$", re.MULTILINE)
_MODULE_LINE = re.compile(
    r"^(import\s.+\sfrom\s|import\s+['\"]|export\s+(const|default|let|function)\b)"
)
_BADGE = re.compile(r"\[!\[[^\]]*\]\([^)]*\)\]\([^)]*\)")
_IMAGE = re.compile(r"!\[([^\]]*)\]\([^)]*\)")
_DRAWN = re.compile(r"<(svg|style|script|math)\b.*?</\1>", re.DOTALL | re.IGNORECASE)
_BRACES = r"\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}"
_QUIZ = re.compile(rf"<Question\b((?:[^<>{{}}]|{_BRACES})*)/>")
_CHOICE = re.compile(r"\b(?:text|explain):\s*([\"'`])((?:\\.|(?!\1).)*)\1", re.DOTALL)
_SHOWN_BY_A_PROGRAM = re.compile(
    r"^.*(?:\d%\|.*\||[HV]Box\(children=|<IPython\.[\w.]+ object>|<Figure size |"
    r"<(?:matplotlib|AxesSubplot)[^>]*>).*\n?",
    re.MULTILINE,
)
_ESCAPES = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")
# Names of HTML elements and, with a capital, of JSX components. Other angle brackets, such as
# <s>, <mask> or <|endoftext|>, are tokens of models, which the reader must see.
_TAG = re.compile(
    r"</?(?:a|b|i|u|p|em|br|hr|div|span|img|strong|code|pre|sup|sub|center|font|details|summary|"
    r"iframe|video|audio|source|figure|figcaption|table|thead|tbody|tr|td|th|ul|ol|li|kbd|small|"
    r"h[1-6]|blockquote|section|input|label|button|hfoptions?|gradio-app|(?-i:[A-Z]\w*))"
    rf"(?=[\s/>])(?:[^<>\"'{{}}]|\"[^\"]*\"|'[^']*'|{_BRACES})*/?>",
    re.IGNORECASE,
)


def read(text: str) -> tuple[str, list[Section]]:
    """Return the title (front matter's, else the first heading of level 1) and the sections."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    front = _FRONT_MATTER.match(text)
    title = _front_title(front[1]) if front else ""
    source = clean(text[front.end() :] if front else text)
    sections = list(_sections(source))
    if not title:
        title = next((s.heading[0] for s in sections if s.heading), "")
    return title, sections


def clean(text: str) -> str:
    """Take out what is not for readers, outside code fences: comments, module lines of MDX,
    directives that a build replaces, pictures, tags (their text stays)."""
    parts = (part if is_code else _clean(part) for is_code, part in _split_fences(text))
    return without_noise("\n".join(parts))


def _clean(text: str) -> str:
    text = _DRAWN.sub("", _COMMENT.sub("", text))
    text = _AUTODOC.sub("", text)
    text = "\n".join(line for line in text.split("\n") if not _MODULE_LINE.match(line))
    text = _IMAGE.sub(_alternative, _BADGE.sub("", text))
    text = _TAG.sub("", _QUIZ.sub(_choices, text))
    return html.unescape(text).replace("\xa0", " ").replace("\u200b", "")


def without_noise(text: str) -> str:
    """Take out what programs print for a screen: progress bars, widgets, colours."""
    return _SHOWN_BY_A_PROGRAM.sub("", _ESCAPES.sub("", text))


def _alternative(image: re.Match[str]) -> str:
    """What a picture's author wrote in its place, where that is more than a name."""
    return (
        image[1]
        if len(image[1].split()) > 2 or len(re.findall("[\u3400-\u9fff]", image[1])) > 4
        else ""
    )


def _choices(quiz: re.Match[str]) -> str:
    """A question's choices with what is said of each, as a list."""
    return "\n".join(f"- {' '.join(found[2].split())}" for found in _CHOICE.finditer(quiz[1]))


def _split_fences(text: str) -> list[tuple[bool, str]]:
    """Cut the text into (is code, part) at its fences; an unclosed fence ends with the text."""
    parts: list[tuple[bool, list[str]]] = [(False, [])]
    closing = ""
    for line in text.split("\n"):
        fence = _FENCE.match(line.replace("\t", "    ").removeprefix("> "))
        if closing:
            parts[-1][1].append(line)
            if fence and fence[1].startswith(closing) and not line.strip(" `~>"):
                closing = ""
                parts.append((False, []))
        elif fence:
            closing = fence[1]
            parts.append((True, [line]))
        else:
            parts[-1][1].append(line)
    return [(is_code, "\n".join(lines)) for is_code, lines in parts if lines]


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable("table")


def _without_math(lines: list[str]) -> list[str]:
    """The lines with a word in place of each line of a display formula: a line of equals signs or
    of minus signs in one would make a heading of what is before it."""
    masked: list[str] = []
    closing = ""
    for at, line in enumerate(lines):
        bare = line.strip(" >\t")
        if closing:
            closes = closing in bare
        else:
            closes = False
            closing = _opened(bare)
            if closing and not any(closing in later for later in lines[at + 1 : at + 40]):
                closing = ""
        masked.append(line[: len(line) - len(line.lstrip(" >\t"))] + "math" if closing else line)
        closing = "" if closes else closing
    return masked


def _opened(line: str) -> str:
    """What ends the formula that begins in this line and does not end in it; else nothing."""
    if line.count("$$") % 2:
        return "$$"
    found = re.match(r"\\begin\{((?:align|equation|gather|aligned|array|cases)\*?)\}", line)
    if found and f"\\end{{{found[1]}}}" not in line:
        return f"\\end{{{found[1]}}}"
    return "\\]" if line.startswith("\\[") and "\\]" not in line and not line[2:3].isalpha() else ""


def _sections(source: str) -> list[Section]:
    lines = source.split("\n")
    path: list[tuple[int, str]] = []
    sections: list[Section] = []
    blocks: list[Block] = []

    def close() -> None:
        if blocks:
            sections.append(Section(tuple(name for _, name in path), tuple(blocks)))
            blocks.clear()

    tokens = _parser().parse("\n".join(_without_math(lines)))
    for at, token in enumerate(tokens):
        if token.level or token.map is None:
            continue
        if token.type == "heading_open" and not _is_paragraph(token, tokens[at + 1]):
            close()
            level = int(token.tag[1])
            while path and path[-1][0] >= level:
                path.pop()
            path.append((level, heading_text(tokens[at + 1].content)))
        else:
            blocks += _blocks(token, lines, tokens, at)
    close()
    return sections


def _is_paragraph(heading: Token, inline: Token) -> bool:
    """Whether a heading is a paragraph above a rule, without the empty line that parts them."""
    underlined = heading.markup in ("-", "=")
    return underlined and ("\n" in inline.content or len(inline.content) > LONGEST_HEADING)


def _blocks(token: Token, lines: list[str], tokens: list[Token], at: int) -> list[Block]:
    assert token.map is not None
    text = "\n".join(lines[token.map[0] : token.map[1]]).strip("\n")
    if not text.strip():
        return []
    match token.type:
        case "fence" | "code_block":
            return [Block("code", text)]
        case "table_open":
            return [Block("table", text)]
        case "bullet_list_open" | "ordered_list_open":
            return [Block("list", item) for item in _items(lines, tokens, at)]
        case "hr":
            return []
    if token.type == "heading_open":  # a paragraph above a rule
        text = text.rpartition("\n")[0]
    return [Block("text", re.sub(r"\n{3,}", "\n\n", text))]


def _items(lines: list[str], tokens: list[Token], at: int) -> list[str]:
    """The text of each item of the list that opens at `at`."""
    found: list[str] = []
    for token in tokens[at + 1 :]:
        if token.level == 0:
            break
        if token.type == "list_item_open" and token.level == 1 and token.map:
            text = "\n".join(lines[token.map[0] : token.map[1]]).strip("\n")
            if text.strip(" \n*-+"):
                found.append(text)
    return found


def heading_text(source: str) -> str:
    """A heading without its anchor, links and marks."""
    text = _ANCHOR.sub("", source)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return " ".join(re.sub(r"[*`]+", "", text).split())


def _front_title(front: str) -> str:
    found = re.search(r"^title:\s*(.+)$", front, re.MULTILINE)
    return found[1].strip().strip("\"'") if found else ""
