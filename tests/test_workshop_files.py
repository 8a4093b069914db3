"""What bears its final name is whole: full disks, kills, gates that refuse, rollback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from tutor.base import assets
from tutor.base import settings as settings_
from tutor.base.assets import OwnModel
from tutor.base.errors import Exit, MissingError, TutorError
from tutor.engine.process import find
from tutor.workshop import chart, elsewhere, files, gates, report, using
from tutor.workshop.gates import least, most
from tutor.workshop.report import Gate, Lineage, ModelFile, Quality, Report, Timing

QUALITY = Quality(11.0, 10.0, 0.05, 0.9, 2040)


def made(name: str = "mine", **gates: Gate) -> Report:
    """Register a model of which only the names are there."""
    folder = files.folder_of(name)
    folder.mkdir(parents=True)
    known = {}
    for type_, size in (("F16", 200), ("Q8_0", 100), ("Q4_K_M", 60)):
        path = folder / f"model-{type_}.gguf"
        path.write_bytes(bytes(size))
        quality = None if type_ == "F16" else QUALITY
        known[type_] = ModelFile(
            type_, path.name, size, files.sha256(path), 8.0, quality=quality,
            timing=Timing(100.0, 10.0), gates=gates,
        )  # fmt: skip
        assets.register(f"{name}:{type_}", OwnModel(f"{name}/{path.name}"))
    lineage = Lineage("smollm2-135m", "abc", "Apache-2.0", "", "run", adapter_sha256="def")
    result = Report(name, "llama", 134_515_008, lineage, known)
    report.save(result)
    return result


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "file"
    files.write_text(target, "old")
    with pytest.raises(KeyboardInterrupt), files.written(target) as part:
        part.write_text("half")
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_name_cannot_leave_the_models_folder(home) -> None:
    for name in ("..", "../x", "a/b", "", ".hidden", "x.part"):
        with pytest.raises(TutorError):
            files.folder_of(name)


def test_what_a_killed_export_left_is_thrown_away_by_the_next(home) -> None:
    made()
    (assets.models_dir() / "other.part").mkdir()
    half = files.folder_of("mine") / "model-Q6_K.gguf.part"
    half.write_bytes(b"half")
    with files.models_lock():
        assert not half.exists()
        assert not (assets.models_dir() / "other.part").exists()
    assert report.names() == ["mine"]


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
from tutor.base.errors import TutorError
from tutor.workshop import quantize
try:
    quantize.quantize("real", quantize.Wish(("Q8_0",), measure=False))
except TutorError as error:
    print(error.message, error.hint)
    sys.exit(int(error.code))
"""


@pytest.fixture
def real(home: Path, smollm2: Path) -> Report:
    """The 135M's base as a model of the learner's, in F16."""
    from tutor.workshop import export, gguf_file
    from tutor.workshop.base import open_base

    base = open_base(smollm2)
    path = files.folder_of("real") / "model-F16.gguf"
    path.parent.mkdir(parents=True)
    gguf_file.write(path, base.arch, base.fields, list(base.tensors.values()))
    lineage = Lineage("smollm2-135m", "", "Apache-2.0", "", "base")
    file = export.described(path, "F16", base.parameters)
    known = Report("real", base.arch, base.parameters, lineage, {"F16": file})
    report.save(known)
    return known


@pytest.mark.slow
def test_disk_full_kill_and_broken_source_while_quantizing(real: Report) -> None:
    from tutor.workshop import quantize

    wish = quantize.Wish(("Q8_0",), measure=False)
    before = quantize.quantize("real", wish).files["Q8_0"]
    path = real.folder / before.file

    code = LIMITED.format(limit=60 * 2**20)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == Exit.MISSING
    assert "disk is full" in ended.stdout
    assert files.sha256(path) == before.sha256
    assert not list(real.folder.glob("*.part"))

    code = "from tutor.workshop import quantize as q; q.quantize('real', q.Wish(('Q8_0',)))"
    process = subprocess.Popen([sys.executable, "-c", code])
    part = path.with_name(f"{path.name}.{process.pid}.part")
    deadline = time.monotonic() + 60
    while not part.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert files.sha256(path) == before.sha256
    assert quantize.quantize("real", wish).files["Q8_0"].sha256 == before.sha256
    assert not part.exists()

    with real.path("F16").open("r+b") as file:
        file.truncate(200_000_000)
    with pytest.raises(TutorError, match="not a whole model"):
        quantize.quantize("real", wish)
    assert files.sha256(path) == before.sha256


def test_a_native_crash_is_an_error_with_a_hint(home, tmp_path) -> None:
    from tutor.workshop import native

    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(4096))
    with pytest.raises(TutorError, match=r"broken\.gguf"):
        native.call(native.Tokenize(native.Loaded(str(broken)), ["x"]), list, model=broken.name)


def test_failing_gates_refuse_use_and_say_which(home) -> None:
    made(tokens=least(0.9, 1.0), perplexity=most(0.01, 0.02))
    before = settings_.load().model
    with pytest.raises(TutorError, match=r"tokens \(0\.9, ≥ 1\)") as error:
        using.use("mine:Q8_0")
    assert "perplexity" not in error.value.message
    assert error.value.code == Exit.NOT_PASSED
    assert settings_.load().model == before


def test_a_model_without_gates_is_refused_with_the_command(home) -> None:
    made()
    with pytest.raises(TutorError, match="have not been run") as error:
        using.use("mine:Q8_0")
    assert "tutor model gates mine:Q8_0" in error.value.hint


def test_a_model_that_does_not_load_is_not_used_even_by_force(home) -> None:
    made(tokens=least(1.0, 1.0))
    with pytest.raises(TutorError, match="does not run"):
        using.use("mine:Q8_0", force=True)
    assert settings_.load().model == ""


def test_gates_of_a_type_that_is_not_there_name_the_nearest(home) -> None:
    made()
    with pytest.raises(TutorError, match="mine has no file 'Q4KM'") as error:
        gates.prove("mine", ("Q4KM",))
    assert "Q4_K_M" in error.value.hint and error.value.code == Exit.USAGE


def test_use_and_rollback(home, smollm2) -> None:
    with pytest.raises(TutorError, match="No other model"):
        using.rollback()
    copy = home / "copy.gguf"
    copy.symlink_to(smollm2)
    assert using.use(str(copy)) == str(smollm2.resolve())
    assert using.rollback() == "smollm2-135m"
    assert settings_.load().model == "smollm2-135m"
    assert using.rollback() == str(smollm2.resolve())
    # Using the same again keeps what there is to return to.
    using.use(str(copy))
    assert settings_.load().previous_model == "smollm2-135m"


def test_a_rollback_to_what_is_gone_changes_nothing(home) -> None:
    made()
    settings_.update(model="smollm2-135m", previous_model="mine:Q8_0")
    files.folder_of("mine").joinpath("model-Q8_0.gguf").unlink()
    with pytest.raises(MissingError, match="gone"):
        using.rollback()
    assert settings_.load().model == "smollm2-135m"


def test_the_best_file_is_the_smallest_that_passed(home) -> None:
    from dataclasses import replace

    from tutor.workshop.quantize import best

    known = made(tokens=least(1.0, 1.0))
    assert best(known) == "Q4_K_M"
    failed = replace(known.files["Q4_K_M"], gates={"tokens": least(0.5, 1.0)})
    assert best(replace(known, files={**known.files, "Q4_K_M": failed})) == "Q8_0"


def test_what_is_in_use_is_not_removed(home) -> None:
    made("one"), made("two")
    settings_.update(model="one:Q8_0", previous_model="two:F16")
    for name in ("one", "two"):
        with pytest.raises(TutorError, match="in use"):
            using.remove(name)
    settings_.update(model="smollm2-135m", previous_model="")
    assert using.remove("two") == 360
    assert report.names() == ["one"]
    assert not [name for name in assets.own_models() if name.startswith("two")]


def test_list_gives_lineage_and_gates(home) -> None:
    made(tokens=least(1.0, 1.0), perplexity=most(0.1, 0.12, "note"))
    ended = subprocess.run(
        [sys.executable, "-m", "tutor", "model", "list", "--json"], capture_output=True, text=True
    )
    rows = {row["name"]: row for row in msgspec.json.decode(ended.stdout)}
    row = rows["mine:Q4_K_M"]
    assert row["lineage"]["base"] == "smollm2-135m"
    assert row["gates"]["perplexity"] == {
        "passed": True, "figure": 0.1, "bound": 0.12, "least": False, "note": "note",
    }  # fmt: skip


def test_card_and_chart_hold_every_file(home) -> None:
    known = made(tokens=least(1.0, 1.0))
    card = (known.folder / report.CARD).read_text()
    assert "license: apache-2.0" in card
    assert card.count("## Gates of") == 3
    assert all(file.sha256 in card for file in known.files.values())
    svg = chart.draw(known)
    assert svg.count("<circle") == 2
    assert "Q4_K_M +10.00%" in svg
    from xml.etree import ElementTree

    ElementTree.fromstring(svg)


def test_commands_for_other_programs(home) -> None:
    made()
    how = elsewhere.commands(find("mine:Q8_0"), 4096)
    assert "PARAMETER num_ctx 4096" in how["Ollama"]
    assert "model-Q8_0.gguf" in how["Ollama"]
    assert how["vLLM"].startswith("tutor model export run --merged")
    (files.folder_of("mine") / report.MERGED).mkdir()
    assert (
        "mine/merged --served-model-name mine"
        in elsewhere.commands(find("mine:Q8_0"), 4096)["vLLM"]
    )


def test_what_llama_cpp_reads_otherwise_in_the_base_too_is_excused_once_in_a_hundred(
    home: Path, smollm2: Path
) -> None:
    from tutor.workshop.native import Loaded, Said

    texts = [f"Text {number} speaks of tokens." for number in range(200)]
    model = Loaded(str(smollm2))
    ids = gates._ids(model, texts)

    def gate(other: int, base: Path = smollm2) -> Gate:
        """What is said where the tokenizer gives the first texts other ids."""
        right = [[0]] * other + ids[other:]
        reference = gates._Reference(Said(right, [], "", True), base, texts, None)
        return gates._tokens(model, reference)

    assert gate(0) == Gate(True, 1.0, 1.0, True)
    excused = gate(2)
    assert excused.passed and "2 of them" in excused.note
    refused = gate(3)
    assert (refused.passed, refused.figure) == (False, 0.985)
    assert "Text 0" in refused.note
    assert not gate(1, base=home).passed, "a folder of Hugging Face's is no file of llama.cpp's"
