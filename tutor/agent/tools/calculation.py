"""A small calculation, run in the grader's sandbox.

A model writes the code, and what it has read may have told it what to write. So only arithmetic
passes: names that it has assigned, operators, loops over ranges, and functions of numbers. There
is nothing in that language that reads a file, opens a connection or starts a program; the
sandbox bounds time, memory and output.
"""

from __future__ import annotations

import ast
import re
import sys

from kb import Passage
from tutor.agent.tools.item import CALCULATION, item, pick
from tutor.base.i18n import Language

CODE_CHARACTERS = 160
SECONDS = 4.0
MEMORY_MB = 256
SHOWN_CHARACTERS = 200

BUILTINS = "abs bool float int len max min pow range round sum"
MATH = "ceil comb cos e exp factorial floor log log10 log2 pi prod sin sqrt tan"

_ALLOWED = (
    ast.Module,
    ast.Expr,
    ast.Assign,
    ast.AugAssign,
    ast.For,
    ast.If,
    ast.BinOp,
    ast.UnaryOp,
    ast.BoolOp,
    ast.Compare,
    ast.IfExp,
    ast.Call,
    ast.Name,
    ast.Constant,
    ast.Tuple,
    ast.List,
    ast.ListComp,
    ast.GeneratorExp,
    ast.comprehension,
    ast.expr_context,
    ast.operator,
    ast.unaryop,
    ast.boolop,
    ast.cmpop,
)

# Twelve digits: 0.1 + 0.2 is 0.3 to a learner.
_RUNNER = """
import builtins, math, sys
def show(*values):
    builtins.print(*(f"{v:.12g}" if isinstance(v, float) else v for v in values))
names = {n: getattr(builtins, n) for n in sys.argv[2].split()}
names |= {n: getattr(math, n) for n in sys.argv[3].split()}
try:
    exec(sys.argv[1], {"__builtins__": {}, "print": show, **names})
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""

_SIGNS = str.maketrans({"×": "*", "÷": "/", "^": "**", "（": "(", "）": ")", "−": "-", "·": "*"})
_GUESS = re.compile(r"(?<=[\d)])\s*=\s*[\d.,]+\s*$")
"""A model puts its own idea of the value behind what it wants computed."""
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_CALLED = re.compile(r"[A-Za-z_]\w*\s*$")
_OF_ONE = "abs ceil cos exp factorial floor len log10 log2 print sin sqrt tan"
"""Functions of one argument (print: as a rule): a comma in their brackets parts nothing."""


def calculate(code: str, lang: Language, given: bool = True) -> list[Passage]:
    """Return what the code prints, or the value of its last expression; nothing where it is no
    arithmetic. What goes wrong in it (a division by zero, a limit passed) is a result too.

    given: whether the learner wrote the formula. A model's own may be wrong: the value is right,
    that it answers the question nobody has checked, and the title says so.
    """
    code = _GUESS.sub("", _without_thousands(code.translate(_SIGNS))).strip()
    program = _checked(code)
    if program is None:
        return []
    shown = _run(program, lang)
    return [
        item(
            pick(lang, "Calculation", "计算") if given else pick(lang, *_BY_MODEL),
            f"{code} = {shown}" if "\n" not in code else f"{code}\n{shown}",
            source=CALCULATION,
            doc="calculation",
        )
    ]


_BY_MODEL = (
    "Calculation by the model's own formula, unchecked",
    "按模型自己的算式计算，算式未经核对",
)


def _without_thousands(code: str) -> str:
    """Take the commas out of 1,000, but not those that part what a call or a list holds:
    pow(2,100), sum([1,200]). No number begins with 0, so sum([1,000]) has one."""
    kept = ""
    parting: list[bool] = []  # of each bracket that is open: whether commas part what it holds
    for at, sign in enumerate(code):
        if sign in "([":
            called = _CALLED.search(kept)
            several = called is not None and called[0].strip() not in _OF_ONE.split()
            parting.append(sign == "[" or several)
        elif sign in ")]" and parting:
            parting.pop()
        parts = any(parting[-1:]) and code[at + 1 : at + 2] != "0"
        if parts or not _THOUSANDS.match(code, at):
            kept += sign
    return kept


def _checked(code: str) -> str | None:
    """Return the code as a program that prints, or None where it is more than arithmetic."""
    if not code or len(code) > CODE_CHARACTERS:
        return None
    try:
        tree = ast.parse(code)
        tree.body = [node for node in tree.body if not _imports_math(node)]
        tree = _WithoutMath().visit(tree)
        if not tree.body or not all(_is_arithmetic(node) for node in ast.walk(tree)):
            return None
        _print_last(tree)
        return ast.unparse(ast.fix_missing_locations(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _imports_math(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import) and [n.name for n in node.names] == ["math"]


class _WithoutMath(ast.NodeTransformer):
    """math.sqrt becomes sqrt, which the program is given."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if (
            isinstance(node.value, ast.Name)
            and node.value.id == "math"
            and node.attr in MATH.split()
        ):
            return ast.Name(node.attr, ast.Load())
        return node


def _is_arithmetic(node: ast.AST) -> bool:
    if isinstance(node, ast.Name):
        return not node.id.startswith("_")
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float | str)
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and not node.keywords
    return isinstance(node, _ALLOWED)


def _print_last(tree: ast.Module) -> None:
    last = tree.body[-1]
    if isinstance(last, ast.Assign) and isinstance(last.targets[0], ast.Name):
        last = ast.Expr(ast.Name(last.targets[0].id, ast.Load()))
        tree.body.append(last)
    if isinstance(last, ast.Expr) and not _prints(last.value):
        last.value = ast.Call(ast.Name("print", ast.Load()), [last.value], [])


def _prints(value: ast.expr) -> bool:
    return (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Name)
        and value.func.id == "print"
    )


def _run(program: str, lang: Language) -> str:
    from exercises import sandbox
    from exercises.spec import Limits

    limits = Limits(SECONDS, MEMORY_MB, output_kb=16, processes=4, file_mb=1)
    command = [sys.executable, "-I", "-S", "-c", _RUNNER, program, BUILTINS, MATH]
    with sandbox.private_folder() as folder:
        ended = sandbox.run(command, limits=limits, cwd=folder, env=sandbox.environment({}))
    if ended.ending == "timed_out":
        seconds = f"{SECONDS:.0f}"
        return pick(lang, f"stopped after {seconds} seconds", f"超过 {seconds} 秒，已停止")
    if ended.ending != "finished":
        return pick(lang, "stopped: too large", "结果过大，已停止")
    output = " ".join(ended.output.split())
    return output[:SHOWN_CHARACTERS] or pick(lang, "nothing printed", "没有输出")
