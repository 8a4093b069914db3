"""A wrong submission written as what differs from the solution: a file of ten lines, not of two
hundred, in which the mistake can be seen.

    # caught by: scaled
    # patch: The scores are not divided by the root of d.
    def attention(q, k, v, mask=None):
        ...

Each statement of the patch takes the place of the one that defines the same name in solution.py; a
new one stands before the next that takes a place, imports stand behind the solution's.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

MARK = re.compile(r"^# patch\b", re.MULTILINE)
_HEAD = re.compile(r"(?:#(?! %%).*\n)*")
_IMPORTS = (ast.Import, ast.ImportFrom)


def is_patch(source: str) -> bool:
    """Whether the comments at the head of a file say that it is one."""
    return MARK.search(_head(source)) is not None


def apply(patch: str, solution: str) -> str:
    """Return the whole submission: the patch's head, then the solution with its statements."""
    lines = solution.splitlines(keepends=True)
    theirs, mine = ast.parse(solution).body, ast.parse(patch).body
    places = {name: statement for statement in theirs for name in names(statement)}
    behind = max((s.end_lineno or 0 for s in theirs if isinstance(s, _IMPORTS)), default=0)
    imports = "".join(_text(s, patch) for s in mine if isinstance(s, _IMPORTS))
    edits, waiting = [(behind, behind, imports)], ""
    for statement in mine:
        if isinstance(statement, _IMPORTS):
            continue
        waiting += _text(statement, patch)
        found = next((places[name] for name in names(statement) if name in places), None)
        if found:
            edits.append((_first(found) - 1, found.end_lineno or 0, waiting))
            waiting = ""
    end = _first(places["__main__"]) - 1 if "__main__" in places else len(lines)
    edits.append((end, end, waiting))
    for start, stop, text in sorted(edits, reverse=True):
        lines[start:stop] = [text]
    return _head(patch) + "".join(lines)


def names(statement: ast.stmt) -> Iterator[str]:
    """Yield the names by which a statement is known: what it defines; "__main__" for the part that
    runs as a script."""
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name
        case ast.Assign(targets=targets):
            yield from (ast.unparse(target) for target in targets)
        case ast.AnnAssign(target=target):
            yield ast.unparse(target)
        case ast.If(test=test) if "__name__" in ast.unparse(test):
            yield "__main__"


def _first(statement: ast.stmt) -> int:
    decorators = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(each.lineno for each in decorators)])


def _text(statement: ast.stmt, source: str) -> str:
    lines = source.splitlines(keepends=True)
    return "".join(lines[_first(statement) - 1 : statement.end_lineno])


def _head(source: str) -> str:
    found = _HEAD.match(source)
    return found[0] if found else ""
