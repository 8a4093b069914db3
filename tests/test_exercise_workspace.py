"""The workspace: nothing that the learner edited is ever overwritten."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_exercise

from exercises import jobs, workspace
from exercises.spec import Exercise
from tutor.base import settings
from tutor.base.errors import MissingError, TutorError
from tutor.base.i18n import use_language
from tutor.base.settings import Settings

STARTER = "# %% [markdown]\n# Add\n\n# %%\ndef add(a, b):\n    raise NotImplementedError\n"
CHINESE = STARTER.replace("# Add", "# 相加")


@pytest.fixture
def exercise(tmp_path: Path) -> Exercise:
    return tiny_exercise.make(tmp_path, starter__en__py=STARTER, starter__zh__py=CHINESE)


@pytest.fixture
def mine(home: Path) -> Settings:
    return settings.load()


def test_opening_gives_the_starter_and_the_task(exercise: Exercise, mine: Settings) -> None:
    path = workspace.open_exercise(exercise, mine)
    assert path == mine.workspace_dir / "unit0" / "add" / "add.py"
    assert path.read_text() == STARTER
    assert path.with_name("TASK.md").read_text() == "# Add\n"


def test_the_starter_is_in_the_learners_language(exercise: Exercise, mine: Settings) -> None:
    use_language("zh")
    path = workspace.open_exercise(exercise, mine)
    assert path.read_text("utf-8") == CHINESE
    use_language("en")
    assert workspace.open_exercise(exercise, mine).read_text("utf-8") == STARTER  # untouched
    path.write_text("mine")
    use_language("zh")
    assert workspace.open_exercise(exercise, mine).read_text("utf-8") == "mine"


def test_an_edited_file_is_left_alone(exercise: Exercise, mine: Settings) -> None:
    path = workspace.open_exercise(exercise, mine, notebook=True).with_suffix(".py")
    for file in (path, path.with_suffix(".ipynb"), path.with_name("TASK.md")):
        file.write_text("mine")
    exercise.starter("en").write_text("new starter")
    workspace.open_exercise(exercise, mine, notebook=True)
    for file in (path, path.with_suffix(".ipynb"), path.with_name("TASK.md")):
        assert file.read_text() == "mine"


def test_an_untouched_file_follows_a_new_starter(exercise: Exercise, mine: Settings) -> None:
    workspace.open_exercise(exercise, mine)
    exercise.starter("en").write_text("new starter")
    assert workspace.open_exercise(exercise, mine).read_text() == "new starter"


@pytest.mark.parametrize("state", ["", "[]", "{}", None])
def test_without_the_record_every_file_is_the_learners(
    exercise: Exercise, mine: Settings, state: str | None
) -> None:
    path = workspace.open_exercise(exercise, mine)
    record = path.with_name(".tutor.json")
    record.unlink() if state is None else record.write_text(state)
    path.write_text("mine")
    assert workspace.open_exercise(exercise, mine).read_text() == "mine"


def test_a_file_that_was_there_before_is_the_learners(exercise: Exercise, mine: Settings) -> None:
    folder = mine.workspace_dir / "unit0" / "add"
    tiny_exercise.write(folder, {"add.py": "mine"})
    assert workspace.open_exercise(exercise, mine).read_text() == "mine"


def test_the_newer_of_two_edited_files_is_checked(exercise: Exercise, mine: Settings) -> None:
    script = workspace.open_exercise(exercise, mine)
    notebook = workspace.open_exercise(exercise, mine, notebook=True)
    assert workspace.submission(exercise, mine).shown == script  # neither is edited

    edit_notebook(notebook, "    raise NotImplementedError", "    return a + b")
    found = workspace.submission(exercise, mine)
    assert (found.origin, found.shown) == ("notebook", notebook)
    assert "return a + b" in found.path.read_text()

    script.write_text(STARTER + "# more\n")
    later = notebook.stat().st_mtime_ns + 10**9
    os.utime(script, ns=(later, later))
    assert workspace.submission(exercise, mine).path == script


def test_running_a_notebook_does_not_change_its_source(exercise: Exercise, mine: Settings) -> None:
    notebook = workspace.open_exercise(exercise, mine, notebook=True)
    edit_notebook(notebook, "    raise NotImplementedError", "    return a + b")
    before = jobs.source_sha256(workspace.submission(exercise, mine).path)
    content = json.loads(notebook.read_text())
    content["cells"][1] |= {
        "execution_count": 7,
        "outputs": [{"output_type": "stream", "name": "stdout", "text": ["3\n"]}],
    }
    content["metadata"]["language_info"] = {"name": "python", "version": "3.12"}
    notebook.write_text(json.dumps(content))
    assert jobs.source_sha256(workspace.submission(exercise, mine).path) == before


def test_a_broken_notebook_is_said_so(exercise: Exercise, mine: Settings) -> None:
    notebook = workspace.open_exercise(exercise, mine, notebook=True)
    for text in ("{", "[]", '{"cells": 3}'):
        notebook.write_text(text)
        with pytest.raises(TutorError, match="not a notebook"):
            workspace.submission(exercise, mine)


def test_the_starter_stands_in_where_nothing_was_opened(exercise: Exercise, mine: Settings) -> None:
    found = workspace.submission(exercise, mine)
    assert (found.origin, found.path) == ("starter", exercise.starter("en"))
    assert not mine.workspace_dir.exists()


def test_a_workspace_that_cannot_be_written(exercise: Exercise, mine: Settings) -> None:
    mine.workspace_dir.write_text("a file where the folder should be")
    with pytest.raises(MissingError, match="Cannot write"):
        workspace.open_exercise(exercise, mine)
    with pytest.raises(MissingError, match="Cannot write"):
        workspace.open_exercise(exercise, replace(mine, workspace="/proc/none"))


def edit_notebook(notebook: Path, old: str, new: str) -> None:
    text = notebook.read_text()
    assert old in text
    notebook.write_text(text.replace(old, new))
