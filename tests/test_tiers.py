"""Full size: chosen where the machine holds it, told and skipped where it does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_exercise
import tiny_models

from exercises import author, jobs, lab, spec, tiers
from exercises.spec import Limits, Tier
from tutor.base.settings import Settings

HUB = Settings(profile="hub")
LARGE = Tier("gpu", "someone/large", gpu_gb=1e6, bounds={"least_gain": 0.2}, memory_mb=9000)
FREE = Tier("hub", "someone/medium", batch_size=16)


@pytest.fixture
def exercise(tmp_path: Path) -> spec.Exercise:
    made = tiny_exercise.make(tmp_path / "one", job=True)
    return replace(made, spec=replace(made.spec, tiers=(FREE, LARGE)))


def test_the_largest_that_fits_is_chosen_and_the_reason_is_told(exercise: spec.Exercise) -> None:
    assert tiers.chosen(exercise, Settings()) is None
    assert tiers.told(exercise, Settings()) == "", "who did not ask for full size is not told"
    assert tiers.why_not(FREE, Settings()) == "someone/medium needs the profile hub; it is default"
    assert tiers.chosen(exercise, HUB) == FREE
    assert tiers.told(exercise, HUB) == "At full size: someone/medium."
    assert "needs a GPU with 1e+06 GB" in tiers.why_not(LARGE, HUB)
    large_only = replace(exercise, spec=replace(exercise.spec, tiers=(LARGE,)))
    assert tiers.chosen(large_only, HUB) is None
    assert tiers.told(large_only, HUB).startswith("On the small base: someone/large needs a GPU")


def test_the_author_s_check_skips_a_tier_with_its_reason(
    exercise: spec.Exercise, home: Path
) -> None:
    skipped: Iterator[author.Finding] = (
        finding for finding in author.check(exercise, Settings()) if finding.skipped
    )
    assert next(skipped).what == f"tier hub: {tiers.why_not(FREE, Settings())}"


def test_runs_on_another_base_are_other_runs(exercise: spec.Exercise, tmp_path: Path) -> None:
    submission = exercise.folder / "solution.py"
    small, large = (jobs.run_dir_of(tmp_path, submission, tier) for tier in (None, LARGE))
    assert large.name == f"{small.name}-gpu"


def test_what_a_process_may_use_is_what_its_tier_needs(exercise: spec.Exercise) -> None:
    limits = Limits(seconds=60, memory_mb=4000)
    assert tiers.widened(limits, exercise, Settings()) == limits
    wide = replace(exercise, spec=replace(exercise.spec, tiers=(replace(LARGE, gpu_gb=0),)))
    there = tiers.widened(limits, wide, HUB)
    assert (there.seconds, there.memory_mb) == (60, 9000)


def test_a_script_learns_of_its_tier(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (lab.bound("least_gain", 0.45), lab.batch_size(8)) == (0.45, 8)
    for tier, bound, size in ((LARGE, 0.2, 8), (FREE, 0.45, 16)):
        for name, value in tiers.variable(tier).items():
            monkeypatch.setenv(name, value)
        assert (lab.bound("least_gain", 0.45), lab.batch_size(8)) == (bound, size)
        assert lab.base_folder() == tier.base


def test_every_tier_of_the_exercises_names_a_base_of_the_hub() -> None:
    found = [tier for exercise in spec.all_exercises() for tier in exercise.spec.tiers]
    assert found
    for tier in found:
        owner, _, name = tier.base.partition("/")
        assert owner and name and tier.name


PROGRAM = """
from exercises import lab
model, tokenizer = lab.load_base("float32")
print(type(model).__name__, model.config.n_layer, tokenizer.pad_token == tokenizer.eos_token)
"""


@pytest.mark.slow
def test_with_the_profile_hub_week_3_runs_on_the_hub_s_gpt2(
    home: Path, smollm2: Path, tmp_path: Path
) -> None:
    """Through the hub client's own cache: a GPT-2 of the tests' own under its name."""
    repository = home / "hub" / "hub" / "models--openai-community--gpt2"
    commit = "0" * 40
    tiny_exercise.write(repository, {"refs/main": commit})
    folder = repository / "snapshots" / commit
    tiny_models.build("gpt2").save_pretrained(folder)
    tiny_models.save_tokenizer(smollm2, folder)
    config = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    config.pop("pad_token", None)  # GPT-2's has none
    tiny_exercise.write(folder, {"tokenizer_config.json": json.dumps(config)})
    workspace = tmp_path / "workspace"
    tiny_exercise.write(workspace / "week3" / "compare", {"compare.py": PROGRAM})
    more = {"TUTOR_PROFILE": "hub", "HF_HOME": str(home / "hub"), "HF_HUB_OFFLINE": "1",
            "TUTOR_WORKSPACE": str(workspace)}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "tutor", "run", "week3/compare"],
        env=os.environ | more, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["GPT2LMHeadModel 2 True"], done.stderr
    assert "At full size: openai-community/gpt2." in done.stderr
