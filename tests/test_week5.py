"""Week 5's exercises that train: the solutions pass, and training cannot be faked. What needs no
training, the wrong submissions among it, is proven by `tutor dev check --fast`, beside these tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from exercises import author, jobs
from exercises.grade import grade
from exercises.spec import find_one
from exercises.week5 import proof

JOBS = ("week5/lora", "week5/qlora")


@pytest.fixture(scope="module")
def kept_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One home for the module: the base is dequantized once, a finished run is kept."""
    return tmp_path_factory.mktemp("week5")


@pytest.fixture
def trained(home: Path, kept_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The module's home in the place of the test's own."""
    link = kept_home / "assets"
    if not link.exists() and (home / "assets").exists():
        link.symlink_to((home / "assets").resolve(), target_is_directory=True)
    monkeypatch.setenv("TUTOR_HOME", str(kept_home))
    return kept_home


def test_full_weights_in_a_run_are_found(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    save_file({"layer.lora_A.weight": torch.ones(2)}, tmp_path / "adapter_model.safetensors")
    (tmp_path / "optimizer.pt").touch()
    proof.check_no_full_weights(tmp_path)
    save_file({"model.embed_tokens.weight": torch.ones(2)}, tmp_path / "other.safetensors")
    with pytest.raises(AssertionError, match=r"other\.safetensors"):
        proof.check_no_full_weights(tmp_path)


@pytest.mark.parametrize(
    ("saved_a", "saved_b", "complaint"),
    [(1.0, 1.0, "A is the same"), (2.0, 0.0, "B is still zero"), (2.0, 1.0, "")],
)
def test_an_adapter_is_trained_where_both_matrices_moved(
    saved_a: float, saved_b: float, complaint: str
) -> None:
    import torch

    fresh = {"q.lora_A.weight": torch.ones(2, 4), "q.lora_B.weight": torch.zeros(4, 2)}
    saved = {"q.lora_A.weight": saved_a * torch.ones(2, 4),
             "q.lora_B.weight": saved_b * torch.ones(4, 2)}  # fmt: skip
    figures: dict[str, float] = {}
    if complaint:
        with pytest.raises(AssertionError, match=complaint):
            proof.check_trained(saved, fresh, figures)
    else:
        proof.check_trained(saved, fresh, figures)
        assert figures["A_moved_by"] == pytest.approx(1.0)


def test_half_a_checkpoint_is_none(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints" / "checkpoint-8"
    folder.mkdir(parents=True)
    (folder / "trainer_state.json").write_text('{"global_step": 8}')
    (folder / proof.ADAPTER).touch()
    with pytest.raises(AssertionError, match="no whole checkpoint"):
        proof.check_resumable(tmp_path, {})
    (folder / "optimizer.pt").touch()
    (folder / "scheduler.pt").touch()
    figures: dict[str, float] = {}
    proof.check_resumable(tmp_path, figures)
    assert figures == {"checkpoint_step": 8}


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("reference", JOBS)
def test_a_trained_solution_passes(trained: Path, smollm2: Path, reference: str) -> None:
    seen: list[jobs.Event] = []
    exercise = find_one(reference)
    report = grade(exercise, exercise.folder / "solution.py", seen.append, runs=trained)
    assert report.passed, author.solution_problem(report)
    assert any(isinstance(event, jobs.Step) and event.step == event.steps for event in seen)
