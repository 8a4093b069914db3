# caught by: prompt
# patch: Passages are numbered from 0.


def numbered(passages):
    """Return the passages as text: "[1] title > heading", the passage below it, an empty line."""
    return "\n\n".join(f"[{n}] {place(p)}\n{p.page_content}" for n, p in enumerate(passages))
