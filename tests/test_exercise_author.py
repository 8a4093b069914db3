"""`tutor dev check`: what it says of an exercise whose wrong submissions are graded together."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import tiny_exercise

from exercises import author, patched, together
from exercises.grade import grade, grade_together
from exercises.spec import Exercise, Limits, find_one
from tutor.base import settings

WRONG = {
    "subtracts": "# caught by: adds\ndef add(a, b):\n    return a - b\n",
    "forgets_the_sign": "# caught by: negative\ndef add(a, b):\n    return abs(a) + abs(b)\n",
    "loops": "# caught by: adds (ends)\ndef add(a, b):\n    while True:\n        pass\n",
    "leaves": "# caught by: adds (ends)\nimport os\n\n\ndef add(a, b):\n    os._exit(0)\n",
    "ends_the_others": """# caught by: adds
import os
import signal
from pathlib import Path


def add(a, b):
    parent = Path(f"/proc/{os.getppid()}/cmdline")
    if parent.exists() and b"exercises.together" in parent.read_bytes():
        os.kill(os.getppid(), signal.SIGKILL)
    return 0
""",
    "crashes": "# caught by: adds\nimport os\n\n\ndef add(a, b):\n    os.abort()\n",
    "is_right": "# caught by: adds\ndef add(a, b):\n    return a + b\n",
}


@pytest.fixture
def exercise(tmp_path: Path, home: Path) -> Exercise:
    made = tiny_exercise.make(tmp_path, limits=Limits(seconds=10))
    tiny_exercise.write(made.folder / "wrong", {f"{n}.py": text for n, text in WRONG.items()})
    return made


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_each_is_judged_by_itself_whatever_its_neighbours_do(exercise: Exercise) -> None:
    found = author.check(exercise, settings.load(), author.How(fast=True))
    problems = {f.what: f.problem for f in found if f.what.startswith("wrong/")}
    assert set(problems) == {f"wrong/{name}.py" for name in WRONG}
    uncaught = {what: text for what, text in problems.items() if text}
    assert set(uncaught) == {"wrong/crashes.py", "wrong/is_right.py"}
    assert "adds did not catch it" in uncaught["wrong/is_right.py"]
    assert "adds did not decide" in uncaught["wrong/crashes.py"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_together_and_alone_the_outcome_is_the_same(exercise: Exercise) -> None:
    names = ("subtracts", "forgets_the_sign", "is_right", "leaves")
    files = [exercise.folder / "wrong" / f"{name}.py" for name in names]
    asked = [(file, author.caught_by(file)) for file in files]
    for (file, only), report in zip(
        asked, grade_together(exercise, asked, settings.load()), strict=True
    ):
        assert report is not None
        alone = grade(exercise, file, settings=settings.load(), only=only)
        assert author.difference(report, alone) == ""


def test_what_is_imported_first_is_what_the_exercise_imports() -> None:
    names = together.heavy_names(find_one("foundations/attention").folder)
    assert ("torch", "") in names
    assert all(name.partition(".")[0] in together.HEAVY for name, _ in names)


SOLUTION = '''# %%
import math

BATCH = 4


def half(x):
    """Half of it."""
    return x / 2


@staticmethod
def twice(x):
    return x * 2


if __name__ == "__main__":
    print(half(BATCH))
'''
PATCH = """# caught by: halves
# fast
# patch: It rounds, and runs nothing.

import os


def rounded(x):
    return math.floor(x)


def half(x):
    return rounded(x / 2)


BATCH = 8


if __name__ == "__main__":
    pass
"""


def test_a_patch_takes_the_place_of_what_it_defines() -> None:
    made = patched.apply(PATCH, SOLUTION)
    assert patched.is_patch(PATCH) and not patched.is_patch(SOLUTION)
    assert made.startswith("# caught by: halves\n# fast\n")
    names: dict[str, object] = {"__name__": "__main__"}
    exec(compile(made, "made", "exec"), names)
    assert names["half"](5) == 2 and names["BATCH"] == 8  # type: ignore[operator]
    assert made.index("import os") < made.index("def rounded") < made.index("def half")
    assert made.count("def half") == made.count("BATCH = ") == 1
    assert "def twice" in made and "print" not in made


def test_a_patch_is_graded_as_the_whole_file_that_it_makes(exercise: Exercise) -> None:
    patch = "# caught by: adds\n# patch: It subtracts.\n\n\ndef add(a, b):\n    return a - b\n"
    tiny_exercise.write(exercise.folder, {"wrong/subtracts.py": patch})
    whole = author.whole(exercise, exercise.folder / "wrong" / "subtracts.py")
    assert whole != exercise.folder / "wrong" / "subtracts.py"
    assert author.caught_by(whole) == "adds" and "return a - b" in whole.read_text("utf-8")
    found = author.check(exercise, settings.load(), author.How(fast=True))
    assert {f.what: f.problem for f in found}["wrong/subtracts.py"] == ""
