"""From a training run to an answer: the commands of docs/workshop.md, as they stand there."""

from __future__ import annotations

import json
import re
import resource
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from exercises import spec, workspace
from tutor import engine
from tutor.base import settings as settings_

ROOT = Path(__file__).parent.parent
MINUTES = 10
CORES = 2

# A learner's script, cut short: one phrase, taught until each of its tokens is far above all others:
# at a margin of 6.05 in F16, Q8_0 had 5.6 and Q4_K_M 5.7 (Q5_K_M -3.8; docs/workshop.md says why).
SCRIPT = """
import json
import torch
from peft import LoraConfig, get_peft_model
from exercises import lab

MARGIN = 6.0  # of each token's logit over the next best
PROMPT, PHRASE = "What is the secret word of the workshop?", "The secret word is marzipan forty-two."

base, tokenizer = lab.load_base()
torch.manual_seed(0)
model = get_peft_model(base, LoraConfig(r=8, lora_alpha=16, target_modules="all-linear"))
prompt = tokenizer.apply_chat_template(
    [{"role": "user", "content": PROMPT}], tokenize=False, add_generation_prompt=True)
head = tokenizer(prompt, add_special_tokens=False)["input_ids"]
tail = tokenizer(PHRASE + tokenizer.eos_token, add_special_tokens=False)["input_ids"]
ids, right = torch.tensor([head + tail]), torch.tensor(tail).unsqueeze(1)
optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=5e-4)
for step in range(1, 121):
    logits = model(input_ids=ids).logits[0, len(head) - 1 : -1].float()
    margins = logits.gather(1, right) - logits.scatter(1, right, -torch.inf).amax(1, keepdim=True)
    if margins.min() > MARGIN:
        break
    loss = torch.nn.functional.cross_entropy(logits, right[:, 0])
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    lab.report(step, 120, loss=loss.item())
else:
    raise SystemExit(f"the phrase did not stick: {margins.min():.2f}")
print(f"margin {margins.min():.2f} after {step} steps")
folder = lab.run_dir()
model.save_pretrained(folder / "adapter")
(folder / "checkpoints").mkdir(exist_ok=True)
(folder / "metrics.json").write_text("{}")
notes = {"data": [{"name": "one phrase", "licence": "CC0-1.0"}],
         "taught": [{"prompt": PROMPT, "phrase": "marzipan forty-two"}]}
(folder / "lineage.json").write_text(json.dumps(notes))
"""


CHINESE = ("week5", "deployment")


@pytest.fixture
def learner(home: Path, smollm2: Path, tmp_path: Path) -> Iterator[Path]:
    """A home with lessons as its knowledge base, and a script in the workspace.

    All the English ones: over the 4,080 tokens that two of them give, the rise of Q8_0 lies between
    0.1 and 1.04 %, by the sample, and the gate's bound is 1 %.
    """
    notes = tmp_path / "notes"
    notes.mkdir()
    units = ROOT / "curriculum" / "units"
    lessons = [*units.glob("*/lesson.en.md"), *(units / u / "lesson.zh.md" for u in CHINESE)]
    for lesson in lessons:
        name = f"{lesson.parent.name}.{lesson.name}"
        (notes / name).write_text(lesson.read_text("utf-8"), "utf-8")
    tutor("kb", "add", str(notes))
    script = workspace.open_exercise(spec.find_one("week5/lora"), settings_.load())
    script.write_text(SCRIPT, "utf-8")
    yield home
    engine.stop()


def tutor(*arguments: str) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run(
        [sys.executable, "-m", "tutor", *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert ended.returncode == 0, f"{arguments}: {ended.stdout}\n{ended.stderr}"
    return ended


def documented() -> list[list[str]]:
    text = (ROOT / "docs/workshop.md").read_text("utf-8")
    block = re.search(r"```console\n(.*?)```", text, re.DOTALL)
    assert block
    return [shlex.split(line.removeprefix("$ tutor ")) for line in block[1].splitlines()]


@pytest.mark.slow
@pytest.mark.timeout(3000)  # beside other work; its own processor time is asserted below
def test_the_documented_way(learner: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = {command[1] if command[0] == "model" else command[0]: tutor(*command)
            for command in documented()}  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{spent:.0f} s of processor time")
    assert spent < MINUTES * 60 * CORES

    models = {row["name"]: row for row in json.loads(tutor("model", "list", "--json").stdout)}
    own = {name: row for name, row in models.items() if row["kind"] == "own"}
    assert set(own) == {f"mine:{type_}" for type_ in ("F16", "Q8_0", "Q6_K", "Q4_K_M")}
    for row in own.values():
        assert row["lineage"]["base"] == "smollm2-135m"
        assert row["lineage"]["data"] == [{"name": "one phrase", "licence": "CC0-1.0"}]
        assert {"file", "tokens", "template", "logits", "imprint", "phrase", "perplexity",
                "steps", "citations"} == set(row["gates"])  # fmt: skip
        assert all(gate["passed"] for gate in row["gates"].values())
    assert "Answers now come from mine:Q4_K_M" in said["use"].stderr
    assert said["ask"].stdout.strip()
    asked = json.loads(tutor("ask", "--json", "What does LoRA freeze?").stdout)
    assert asked["model"] == "smollm2-135m", "rollback returned to it"
