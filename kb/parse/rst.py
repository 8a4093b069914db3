"""reStructuredText, through docutils."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kb.model import Block, Section

if TYPE_CHECKING:
    from docutils import nodes

_SETTINGS = {
    "report_level": 5,  # Sphinx's directives are unknown here; that is no reason to stop
    "halt_level": 5,
    "file_insertion_enabled": False,  # a document must not read other files
    "raw_enabled": False,
    "warning_stream": "",
    "_disable_config": True,
}


def read(text: str) -> tuple[str, list[Section]]:
    from docutils.core import publish_doctree

    tree = publish_doctree(text, settings_overrides=_SETTINGS)
    title = str(tree.get("title", ""))
    sections: list[Section] = []
    _walk(tree, (title,) if title else (), sections)
    if not title:
        title = next((s.heading[0] for s in sections if s.heading), "")
    return title, sections


def _walk(node: nodes.Element, heading: tuple[str, ...], sections: list[Section]) -> None:
    from docutils import nodes

    blocks: list[Block] = []
    for child in node.children:
        if isinstance(child, nodes.section):
            if blocks:
                sections.append(Section(heading, tuple(blocks)))
                blocks = []
            at = child.next_node(nodes.title)
            _walk(child, (*heading, at.astext()) if at else heading, sections)
        else:
            blocks += _blocks(child)
    if blocks:
        sections.append(Section(heading, tuple(blocks)))


def _blocks(node: nodes.Node) -> list[Block]:
    from docutils import nodes

    if isinstance(
        node,
        nodes.title
        | nodes.subtitle
        | nodes.system_message
        | nodes.comment
        | nodes.target
        | nodes.substitution_definition,
    ):
        return []
    if isinstance(node, nodes.literal_block):
        return [Block("code", f"```\n{node.astext()}\n```")]
    if isinstance(node, nodes.table):
        rows = (
            [cell.astext().replace("\n", " ") for cell in row.children]
            for row in node.findall(nodes.row)
        )
        return [Block("table", "\n".join(f"| {' | '.join(row)} |" for row in rows))]
    if isinstance(node, nodes.bullet_list | nodes.enumerated_list):
        return [
            Block("list", f"- {item.astext()}") for item in node.children if item.astext().strip()
        ]
    text = node.astext().strip()
    return [Block("text", text)] if text else []
