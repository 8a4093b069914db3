# caught by: prompt
# patch: The best source stands last, next to the question: numbers no longer fit source_nodes.


def numbered(hits):
    """Return the NodeWithScore as text: "[1] title > heading", the node's text below it, an empty
    line."""
    parts = []
    for number, hit in enumerate(hits[::-1], 1):
        where = hit.node.metadata
        text = hit.node.get_content(metadata_mode=MetadataMode.NONE)
        parts.append(f"[{number}] {where['title']} > {where['heading']}\n{text}")
    return "\n\n".join(parts)
