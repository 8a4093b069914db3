"""Runs: once for each source, followed live, resumed where interrupted, one at a time."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
import tiny_exercise

from exercises import jobs, lab
from exercises.grade import grade
from exercises.spec import Exercise, Limits
from tutor.base import settings
from tutor.base.errors import TutorError

SLOW = """
import os
from exercises import lab
marker = lab.run_dir() / "begun"
if marker.exists():
    (lab.run_dir() / "weights.txt").write_text("2")
else:
    marker.touch()
    lab.report(1, 9)
    import time
    time.sleep(120)
"""


class Case:
    def __init__(self, tmp_path: Path, source: str = tiny_exercise.JOB_SOLUTION) -> None:
        self.exercise: Exercise = tiny_exercise.make(tmp_path, job=True)
        self.file = tmp_path / "mine" / "add.py"
        tiny_exercise.write(self.file.parent, {"add.py": source})
        self.runs = self.file.parent / "runs"
        self.events: list[jobs.Event] = []

    def run(self, again: bool = False, cancel: threading.Event | None = None) -> jobs.JobResult:
        run_dir = jobs.run_dir_of(self.runs, self.file)
        return jobs.run_job(
            self.exercise, self.file, run_dir, self.events.append, again=again, cancel=cancel
        )

    def limit(self, **limits: float) -> None:
        self.exercise = tiny_exercise.with_job_limits(self.exercise, Limits(**limits))  # type: ignore[arg-type]


@pytest.fixture
def case(tmp_path: Path, home: Path) -> Case:
    return Case(tmp_path)


def test_a_run_is_followed_and_kept(case: Case) -> None:
    result = case.run()
    assert result.finished
    assert result.artefacts == ("weights.txt",)
    assert result.figures == {"step": 3, "steps": 3, "loss": 0.33333, "tokens_per_s": 100}
    steps = [event for event in case.events if isinstance(event, jobs.Step)]
    assert [(s.step, s.steps, s.loss, s.tokens_per_s) for s in steps][1] == (2, 3, 0.5, 100.0)
    assert all(step.rss_mb > 0 for step in steps), "memory is the runner's own measure"
    assert jobs.Line("trained") in case.events
    kept = json.loads((Path(result.run_dir) / "run.json").read_text())
    assert kept["source_sha256"] == jobs.source_sha256(case.file)
    assert kept["ending"] == "finished"
    assert kept["peak_rss_mb"] > 1


def test_a_finished_run_is_not_run_again_unless_asked(case: Case) -> None:
    case.run()
    case.events.clear()
    assert case.run().cached
    assert case.events == []
    again = case.run(again=True)
    assert again.finished and not again.cached


def test_another_source_is_another_run(case: Case) -> None:
    first = case.run()
    case.file.write_text(case.file.read_text() + "# more\n")
    second = case.run()
    assert second.finished and not second.cached
    assert second.run_dir != first.run_dir


def test_a_run_whose_artefact_was_deleted_is_run_again(case: Case) -> None:
    (Path(case.run().run_dir) / "weights.txt").unlink()
    assert not case.run().cached


def test_an_exception_is_named_with_its_line(case: Case) -> None:
    case.file.write_text("import json\n\ndef train():\n    json.loads('{')\n\ntrain()\n")
    result = case.run()
    assert result.ending == "crashed"
    assert result.message.startswith("JSONDecodeError: Expecting property name")
    assert result.message.endswith("(line 4 of your file)")


def test_a_syntax_error_is_named_with_its_line(case: Case) -> None:
    case.file.write_text("x = 1\nwhile\n")
    assert case.run().message == "SyntaxError: invalid syntax (line 2 of your file)"


def test_a_run_without_its_artefact_is_not_finished(case: Case) -> None:
    case.file.write_text("print('nothing')\n")
    result = case.run()
    assert not result.finished
    assert "weights.txt" in result.message


def test_an_interrupted_run_goes_on_in_its_folder(case: Case) -> None:
    case.file.write_text(SLOW)
    cancel = threading.Event()
    steps: list[jobs.Event] = []

    def stop_at_first_step(event: jobs.Event) -> None:
        steps.append(event)
        if isinstance(event, jobs.Step):
            cancel.set()

    run_dir = jobs.run_dir_of(case.runs, case.file)
    first = jobs.run_job(case.exercise, case.file, run_dir, stop_at_first_step, cancel=cancel)
    assert first.ending == "interrupted"
    assert [(e.step, e.steps) for e in steps if isinstance(e, jobs.Step)] == [(1, 9)]
    second = case.run()
    assert second.finished
    assert case.events[0] == jobs.Started(str(run_dir), resumed=True)
    assert second.seconds > first.seconds


def test_the_time_limit_of_a_run_reaches_the_report(case: Case) -> None:
    case.limit(seconds=1)
    case.file.write_text(tiny_exercise.SOLUTION + "if __name__ == '__main__':\n    while 1: pass\n")
    report = grade(case.exercise, case.file, settings=settings.load(), runs=case.runs)
    assert report.ending == "timed_out"
    outcomes = {r.criterion: r for r in report.results}
    assert outcomes["adds"].outcome == "passed"
    assert outcomes["trained"].outcome == "not_run"
    assert "1 s, the time limit" in outcomes["trained"].message


def test_grading_runs_the_job_first_and_once(case: Case) -> None:
    for expected in (True, False):
        case.events.clear()
        report = grade(
            case.exercise, case.file, case.events.append, settings.load(), runs=case.runs
        )
        assert report.passed
        assert {r.criterion: r.figures for r in report.results}["trained"] == {"weight": 1.5}
        assert any(isinstance(e, jobs.Step) for e in case.events) is expected


def test_what_a_script_writes_as_events_need_not_be_any(case: Case) -> None:
    text = (
        "from exercises import lab\n"
        "path = lab.run_dir() / 'events.jsonl'\n"
        'path.write_bytes(b\'\\xff\\n{}\\n[1]\\n{"step": "x", "steps": 1}\\nhalf\')\n'
        "(lab.run_dir() / 'weights.txt').write_text('1')\n"
    )
    case.file.write_text(text)
    result = case.run()
    assert result.finished
    assert result.figures == {}


def test_a_second_job_waits_and_then_finds_the_first_ones_run(case: Case) -> None:
    slow = "import time; time.sleep(1.5)\n" + tiny_exercise.JOB_SOLUTION
    case.file.write_text(slow)
    started = threading.Event()
    run_dir = jobs.run_dir_of(case.runs, case.file)
    results: list[jobs.JobResult] = []

    def first() -> None:
        results.append(jobs.run_job(case.exercise, case.file, run_dir, lambda _: started.set()))

    thread = threading.Thread(target=first)
    thread.start()
    assert started.wait(10)
    second = case.run()
    thread.join()
    assert isinstance(case.events[0], jobs.Waiting)
    assert second.cached
    assert results[0].finished and not results[0].cached


def test_a_corrupt_record_is_no_finished_run(case: Case) -> None:
    result = case.run()
    (Path(result.run_dir) / "run.json").write_text('{"ending": "finished"')
    assert not case.run().cached


def test_the_last_whole_checkpoint_is_gone_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUTOR_RUN_DIR", str(tmp_path))
    assert lab.last_checkpoint() is None
    for step, state in ((5, "{}"), (20, "{}"), (100, '{"cut')):
        folder = Path(lab.checkpointing()["output_dir"]) / f"checkpoint-{step}"
        tiny_exercise.write(folder, {"trainer_state.json": state})
    assert lab.last_checkpoint() == str(tmp_path / "checkpoints" / "checkpoint-20")


def test_outside_a_run_nothing_is_gone_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path(lab.checkpointing()["output_dir"]) / "checkpoint-5"
    tiny_exercise.write(folder, {"trainer_state.json": "{}"})
    assert lab.last_checkpoint() is None, "the cell may have been changed since"


TRAINER = """
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments
from exercises import lab

if __name__ == "__main__":
    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=32, hidden_size=16, intermediate_size=16,
                         num_hidden_layers=1, num_attention_heads=2, attention_dropout=0.1)
    model = LlamaForCausalLM(config)
    rows = torch.randint(32, (400, 8)).cumsum(1) % 32
    data = [{"input_ids": row, "labels": row} for row in rows]
    arguments = TrainingArguments(
        per_device_train_batch_size=2, max_steps=200, logging_steps=5, report_to="none",
        use_cpu=True, include_num_input_tokens_seen="all", **lab.checkpointing(every=20))
    trainer = Trainer(model=model, args=arguments, train_dataset=data, callbacks=[lab.progress()])
    trainer.train(resume_from_checkpoint=lab.last_checkpoint())
    with torch.no_grad():
        loss = model.eval()(input_ids=rows, labels=rows).loss
    (lab.run_dir() / "weights.txt").write_text(str(loss.item()))
"""


def trainer_case(tmp_path: Path) -> Case:
    case = Case(tmp_path, TRAINER)
    case.limit(seconds=240)
    return case


def final_loss(result: jobs.JobResult) -> float:
    assert result.finished, result.message + result.output
    return float((Path(result.run_dir) / "weights.txt").read_text())


@pytest.mark.slow
def test_a_killed_training_goes_on_and_ends_as_an_undisturbed_one(
    tmp_path: Path, home: Path
) -> None:
    """kill -9 of the runner at a moment of chance: all its processes end, nothing is forgotten
    but the steps since the last checkpoint."""
    case = trainer_case(tmp_path / "killed")
    run_dir = jobs.run_dir_of(case.runs, case.file)
    code = "import sys, pathlib as p, test_exercise_jobs as t; t.trainer_case(p.Path(sys.argv[1])).run()"
    runner = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "killed")],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    at = random.randint(30, 150)
    print(f"killed at event {at}")  # pytest shows it where this fails
    deadline = time.monotonic() + 120
    events = run_dir / jobs.EVENTS
    while not events.exists() or events.read_bytes().count(b"\n") < at:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    runner.kill()
    runner.wait()
    assert jobs.last_result(run_dir) is None, "it was killed in the middle"
    result = case.run()
    assert case.events[0] == jobs.Started(str(run_dir), resumed=True)
    steps = [event for event in case.events if isinstance(event, jobs.Step)]
    assert steps[0].step > 20 and steps[0].step % 20 == 1, "from a checkpoint"
    assert steps[-1].step == 200
    assert steps[-1].loss is not None and steps[-1].tokens_per_s
    assert not (run_dir / "checkpoints").exists()
    undisturbed = trainer_case(tmp_path / "undisturbed").run()
    assert final_loss(result) == pytest.approx(final_loss(undisturbed), abs=1e-6)


UNTIL_ASKED = """
import time
from exercises import lab
for step in range(1, 601):
    lab.report(step, 600, loss=1 / step)
    if lab.stop_asked():
        break
    time.sleep(0.1)
(lab.run_dir() / "weights.txt").write_text(str(step))
"""


def test_a_run_ends_early_where_it_is_asked_to_and_keeps_what_it_learned(case: Case) -> None:
    case.file.write_text(UNTIL_ASKED)
    run_dir = jobs.run_dir_of(case.runs, case.file)
    with pytest.raises(TutorError, match="No run"):
        jobs.stop_early(run_dir)

    def ask_at_the_third_step(event: jobs.Event) -> None:
        if isinstance(event, jobs.Step) and event.step == 3:
            jobs.stop_early(run_dir)

    result = jobs.run_job(case.exercise, case.file, run_dir, ask_at_the_third_step)
    assert result.finished and result.stopped_early
    assert 3 <= int((run_dir / "weights.txt").read_text()) < 600
    assert not case.run(again=True).cached, "the wish to stop is not kept for the next run"


LOADS = """
import time
from exercises import lab
print("loading", flush=True)
while not lab.stop_asked():
    time.sleep(0.05)
(lab.run_dir() / "weights.txt").write_text("")
"""


def test_a_run_can_be_asked_to_end_before_its_first_step(case: Case) -> None:
    case.file.write_text(LOADS)
    run_dir = jobs.run_dir_of(case.runs, case.file)
    other = run_dir.with_name("of-another-file")

    def ask(event: jobs.Event) -> None:
        if isinstance(event, jobs.Line):
            with pytest.raises(TutorError, match="No run"):
                jobs.stop_early(other)
            jobs.stop_early(run_dir)

    result = jobs.run_job(case.exercise, case.file, run_dir, ask)
    assert result.finished and result.stopped_early


KILLED = """
import sys
from pathlib import Path
import test_exercise_jobs as tests
case = tests.Case(Path(sys.argv[1]), tests.LEAVES)
case.run()
"""
LEAVES = """
import subprocess, sys, time
from exercises import lab
if (lab.run_dir() / "child").exists():
    (lab.run_dir() / "weights.txt").write_text("")
else:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
    (lab.run_dir() / "child").write_text(str(child.pid))
    lab.report(1, 2)
    time.sleep(120)
"""


def test_what_a_killed_tutor_has_left_running_is_ended_by_the_next_run(
    tmp_path: Path, home: Path
) -> None:
    case = Case(tmp_path, LEAVES)
    run_dir = jobs.run_dir_of(case.runs, case.file)
    runner = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    while not (run_dir / jobs.EVENTS).exists():
        time.sleep(0.02)
    child = psutil.Process(int((run_dir / "child").read_text()))
    runner.kill()
    runner.wait()
    assert case.run().finished
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


DIVERGES = """
import torch
from transformers import Trainer, TrainingArguments
from exercises import lab


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.ones(1))

    def forward(self, x):
        return {"loss": -(self.w * x).pow(20).mean()}


arguments = TrainingArguments(
    max_steps=50, learning_rate=1e3, logging_steps=1, report_to=[], use_cpu=True,
    disable_tqdm=True, **lab.checkpointing(),
)
rows = [{"x": torch.ones(1)}] * 64
trainer = Trainer(model=Model(), args=arguments, train_dataset=rows, callbacks=[lab.progress()])
trainer.train()
"""


def test_a_training_that_diverges_ends_there_and_says_so(case: Case) -> None:
    case.file.write_text(DIVERGES)
    case.limit(seconds=300)
    result = case.run()
    assert result.ending == "crashed"
    assert "no number any more at step" in result.message


def test_the_processes_on_several_gpus_have_folders_of_their_own(
    case: Case, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TUTOR_RUN_DIR", str(tmp_path / "run"))
    assert lab.run_dir() == tmp_path / "run"
    monkeypatch.setenv("RANK", "2")
    assert lab.run_dir() == tmp_path / "run" / "ranks" / "2"
    assert lab.checkpointing()["output_dir"] == str(tmp_path / "run" / "checkpoints")
    command = jobs._command(case.file, 4)
    assert command[command.index("--num_processes") + 1] == "4"
    assert command[-1] == str(case.file)
