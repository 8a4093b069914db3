"""The learner's own files: one folder an exercise, where nothing edited is ever overwritten.

workspace/week5/lora/lora.py      the exercise, percent-format cells
workspace/week5/lora/lora.ipynb   the same as a notebook, where it was asked for
workspace/week5/lora/TASK.md      what to do
workspace/week5/lora/runs/        what the runs left
workspace/week5/lora/.tutor.json  hashes of the files as the tutor wrote them
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from exercises.spec import Exercise
from tutor.base.errors import MissingError, TutorError
from tutor.base.i18n import language, say
from tutor.base.settings import Settings
from tutor.base.writing import write

STATE = ".tutor.json"
CONVERTED = ".from_notebook.py"


@dataclass(frozen=True)
class Submission:
    """The file to check, and where it comes from.

    origin: "script"; "notebook", the newer of the two, converted into `path`; "starter", where
    the exercise was never opened.
    """

    path: Path
    origin: Literal["script", "notebook", "starter"]
    shown: Path
    """The file that the learner edits."""


def folder_of(exercise: Exercise, settings: Settings) -> Path:
    return settings.workspace_dir / exercise.unit / exercise.name


def runs_of(exercise: Exercise, settings: Settings) -> Path:
    return folder_of(exercise, settings) / "runs"


def open_exercise(exercise: Exercise, settings: Settings, notebook: bool = False) -> Path:
    """Put the exercise into the workspace and return the file to edit.

    A file that is not as the tutor wrote it stays as it is. notebook: write an .ipynb beside the
    script, from the script as it is now, and return it.
    Raises MissingError where the workspace cannot be written.
    """
    folder = folder_of(exercise, settings)
    script = folder / f"{exercise.name}.py"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _put(script, exercise.starter(language()).read_bytes())
        _put(folder / "TASK.md", exercise.task(language()).encode())
        if not notebook:
            return script
        target = script.with_suffix(".ipynb")
        _put(target, _as_notebook(script))
        return target
    except OSError as error:
        raise unwritable(folder, error) from error


def submission(exercise: Exercise, settings: Settings) -> Submission:
    """Return what to check: the learner's script, or their notebook where it is the newer one of
    two that were edited, or the starter where the exercise was never opened.

    Raises TutorError for a notebook that cannot be read, MissingError for a folder that cannot be
    written (a notebook is converted into it).
    """
    script = folder_of(exercise, settings) / f"{exercise.name}.py"
    notebook = script.with_suffix(".ipynb")
    if notebook.exists() and (not script.exists() or _newer(notebook, script)):
        return Submission(_converted(notebook), "notebook", notebook)
    if script.exists():
        return Submission(script, "script", script)
    starter = exercise.starter(language())
    return Submission(starter, "starter", starter)


def _newer(notebook: Path, script: Path) -> bool:
    """Whether the learner's work is in the notebook. A file as the tutor wrote it holds none."""
    edited_notebook, edited_script = _edited(notebook), _edited(script)
    if edited_notebook != edited_script:
        return edited_notebook
    return edited_notebook and notebook.stat().st_mtime_ns > script.stat().st_mtime_ns


def _put(path: Path, data: bytes) -> None:
    """Write the file, unless it is there and differs from what the tutor wrote."""
    if path.exists() and (_edited(path) or path.read_bytes() == data):
        return
    write(path, data)
    state = _state(path.parent)
    state[path.name] = _sha(data)
    write(path.with_name(STATE), json.dumps(state, indent=2).encode())


def _edited(path: Path) -> bool:
    """Whether the file differs from what the tutor wrote. One that it never wrote counts as
    edited, and so does every file where the record is lost."""
    return _state(path.parent).get(path.name) != _sha(path.read_bytes())


def _state(folder: Path) -> dict[str, str]:
    try:
        state = json.loads((folder / STATE).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _as_notebook(script: Path) -> bytes:
    import jupytext

    notebook = jupytext.reads(script.read_text("utf-8"), fmt="py:percent")
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata["kernelspec"] = kernel
    return jupytext.writes(notebook, fmt="ipynb").encode()


def _converted(notebook: Path) -> Path:
    """Write the notebook's cells as a script beside it; the same cells give the same bytes,
    whatever their outputs are, so that running a notebook does not ask for a new run."""
    import jupytext
    import nbformat

    content = _read_notebook(notebook)
    content.metadata = nbformat.from_dict(
        {"jupytext": {"notebook_metadata_filter": "-all", "cell_metadata_filter": "-all"}}
    )
    data = jupytext.writes(content, fmt="py:percent").encode()
    target = notebook.with_name(CONVERTED)
    try:
        if not target.exists() or target.read_bytes() != data:
            write(target, data)
    except OSError as error:
        raise unwritable(notebook.parent, error) from error
    return target


def _read_notebook(path: Path) -> Any:
    import nbformat

    try:
        data = json.loads(path.read_text("utf-8"))
        if not isinstance(data, dict) or data.get("nbformat") != 4:
            raise ValueError(say("not in notebook format 4", "不是第 4 版笔记本格式"))
        nbformat.validate(data)
    except (ValueError, nbformat.ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise TutorError(
            say(f"{path} is not a notebook: {reason}", f"{path} 不是有效的笔记本：{reason}"),
            say(
                "Save it again, or delete it to go on with the script.",
                "请重新保存，或删除它以继续使用脚本。",
            ),
        ) from error
    return nbformat.reads(json.dumps(data), as_version=4)


def unwritable(folder: Path, error: OSError) -> MissingError:
    """Return the error to raise for a folder of the learner's that cannot be written to."""
    return MissingError(
        say(f"Cannot write to {folder}: {error.strerror}", f"无法写入 {folder}：{error.strerror}"),
        say(
            "Correct its permissions, or set another workspace (TUTOR_WORKSPACE).",
            "请修正权限，或换一个工作目录（TUTOR_WORKSPACE）。",
        ),
    )
