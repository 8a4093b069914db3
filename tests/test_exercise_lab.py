"""What learners' scripts import: the data's split, the base model, fingerprints."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from exercises import instruction_data, lab


def pairs(name: str, responses: list[str]) -> list[dict[str, str]]:
    return [
        {"prompt": f"What does the `a{n}` argument of `{name}` do?", "response": text}
        for n, text in enumerate(responses)
    ]


def words(seed: int) -> str:
    """A text that shares hardly a word with another seed's."""
    return " ".join(f"w{seed}x{n}" for n in range(12))


def test_whole_classes_are_held_out() -> None:
    classes = {f"peft.C{c}": pairs(f"peft.C{c}", [words(c * 50 + n) for n in range(20)])
               for c in range(100)}  # fmt: skip
    train, held_out = instruction_data.split(classes)
    assert (len(train), len(held_out)) == (instruction_data.TRAIN, instruction_data.HELD_OUT)
    assert not class_names(train) & class_names(held_out)
    assert instruction_data.split(dict(reversed(classes.items()))) == (train, held_out)


def test_what_two_classes_say_alike_is_not_held_out() -> None:
    same = words(7)
    nearly = same.rsplit(" ", 1)[0] + " other"
    classes = {f"peft.C{c}": pairs(f"peft.C{c}", [same, nearly, words(100 + c)])
               for c in range(200)}  # fmt: skip
    train, held_out = instruction_data.split(classes)
    texts = [pair["response"] for pair in train]
    assert texts.count(same) == 1
    assert held_out
    assert not {same, nearly} & {pair["response"] for pair in held_out}


@pytest.mark.slow
def test_the_libraries_installed_here_give_enough(home: Path) -> None:
    train, held_out = lab.instructions()
    assert (len(train), len(held_out)) == (1200, 120)
    assert not class_names(train) & class_names(held_out)
    assert not {p["response"] for p in train} & {p["response"] for p in held_out}
    lora = [p for p in train + held_out if "of `peft.LoraConfig`" in p["prompt"]]
    assert lora
    assert all(40 <= len(p["response"]) <= 320 for p in train + held_out)
    (cached,) = (home / "cache").glob("instructions-*.json")
    assert json.loads(cached.read_text())["held_out"] == held_out
    assert lab.instructions() == (train, held_out)


def class_names(pairs: list[dict[str, str]]) -> set[str]:
    names = {pair["prompt"].split("of `")[1].split("`")[0] for pair in pairs}
    # A method belongs to its class: "trl.DPOTrainer.train" to "trl.DPOTrainer".
    return names | {
        n.rpartition(".")[0] for n in names if n.rpartition(".")[0].split(".")[-1][:1].isupper()
    }


def test_a_fingerprint_tells_one_bit() -> None:
    import torch

    state = {"b": torch.zeros(3, dtype=torch.bfloat16), "a": torch.ones(2, 2).T}
    same = {"a": torch.ones(2, 2), "b": torch.zeros(3, dtype=torch.bfloat16)}
    assert lab.fingerprint(state) == lab.fingerprint(same)
    same["b"][1] = -0.0
    assert lab.fingerprint(state) != lab.fingerprint(same)
    assert lab.fingerprint({"a": torch.zeros(4)}) != lab.fingerprint({"a": torch.zeros(2, 2)})
    assert lab.fingerprint({"scalar": torch.tensor(1.0)}) != lab.fingerprint({})


def test_a_loss_that_is_no_number_keeps_the_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUTOR_RUN_DIR", str(tmp_path))
    lab.report(1, 2, loss=math.nan, tokens_per_s=math.inf)
    event = json.loads((tmp_path / "events.jsonl").read_text())
    assert (event["step"], event["steps"]) == (1, 2)
    assert "loss" not in event and "tokens_per_s" not in event


@pytest.mark.slow
def test_the_base_is_the_same_from_its_gguf_and_from_the_cache(home: Path, smollm2: Path) -> None:
    from exercises.lab import fingerprint, load_base

    first, tokenizer = load_base()
    assert first.num_parameters() == 134_515_008
    (cached,) = (home / "cache").iterdir()
    assert cached.name.startswith("smollm2-135m-bfloat16-")
    second, again = load_base()
    assert fingerprint(first.state_dict()) == fingerprint(second.state_dict())
    text = "What does `r` do? 秩是什么？<|im_end|>"
    assert tokenizer(text)["input_ids"] == again(text)["input_ids"]
    ids = tokenizer("The capital of France is", return_tensors="pt")
    answer = second.generate(**ids, max_new_tokens=4, do_sample=False)
    assert "Paris" in tokenizer.decode(answer[0])


@pytest.mark.parametrize("module", ["tutor.cli.exercise", "exercises.grade", "exercises.lab"])
def test_nothing_heavy_is_imported_at_start(module: str) -> None:
    program = (
        f"import sys, {module}; heavy = {{'torch', 'transformers', 'numpy', 'jupytext', 'pytest', "
        "'textual', 'griffe', 'nbformat'}; print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_plugin_imports_nothing_heavy_either() -> None:
    program = (
        "import sys, exercises.pytest_plugin; "
        "print(sorted({'torch', 'numpy', 'psutil', 'msgspec'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
