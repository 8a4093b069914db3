"""A model card held against the artefacts that it speaks of."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import yaml

from exercises import lab
from exercises.deployment import tiny
from tutor.base import assets
from tutor.base.i18n import say

FIGURES = ("right", "told_uncovered", "wrongly_refused", "citation_precision")


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def folder_of_another(folder: Path) -> Path:
    """Artefacts of a model that nobody trained, with figures that nobody would guess."""
    (folder / "adapter").mkdir(parents=True)
    values = {
        "adapter/adapter_config.json": {"peft_type": "LORA", "r": 23, "lora_alpha": 57, "target_modules": ["q_proj"]},
        "training.json": {"examples": 311, "steps": 89, "data_sha256": "ab" * 32},
        "quantization.json": {"type": "Q6_K", "perplexity": 21.437, "reference_perplexity": 20.914, "rise": 0.02501},
        "evaluation.json": {
            "before": dict(zip(FIGURES, (0.132, 0.667, 0.513, 0.219), strict=True)),
            "after": dict(zip(FIGURES, (0.571, 0.833, 0.147, 0.638), strict=True))},
        "before.json": [], "after.json": [],
    }  # fmt: skip
    for name, value in values.items():
        (folder / name).write_text(json.dumps(value), "utf-8")
    for seed, name in enumerate(("model-F16.gguf", "model-Q6_K.gguf")):
        tiny.write(folder / name, seed=seed + 40)
    return folder


def numbers_in(line: str) -> list[float]:
    return [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", line)]


def says_number(text: str, value: float, within: float) -> bool:
    """Whether the number stands there, as it is or as per cent, off by `within` at most."""
    return any(abs(said - value) <= within + 1e-6
               for n in numbers_in(text) for said in (n, n / 100))  # fmt: skip


def check_card(text: str, folder: Path) -> None:
    """The card says what the artefacts in the folder say."""
    check_front(text)
    sections = sections_of(text)
    check_facts(sections, folder)
    check_figures(sections["evaluation"], read(folder / "evaluation.json"))
    check_files(sections["files"], folder)


def check_front(text: str) -> None:
    front = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)
    head = yaml.safe_load(front[1]) if front else None
    head = head if isinstance(head, dict) else {}
    base = assets.catalogue()[lab.BASE]
    got = (str(head.get("license")).lower(), str(head.get("base_model")))
    model = base.page.rpartition("/")[2]
    assert got[0] == base.licence.lower() and model in got[1], say(
        f"license and base_model of the front matter are {got}; the base is {model}, under "
        f"{base.licence.lower()}",
        f"front matter 的 license 和 base_model 是 {got}；底座是 {model}，许可证为 {base.licence.lower()}",
    )


def _words(text: str) -> int:
    """Count words; of Chinese, characters."""
    return len(re.findall(r"[\u4e00-\u9fff]|\w+", text))


def sections_of(text: str) -> dict[str, str]:
    """Return the sections by name, all there and none empty."""
    parts = dict(re.findall(r"^## *([^\n]+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    sections = {name.strip().lower(): body for name, body in parts.items()}
    wanted = ("data", "training", "quantization", "evaluation", "limits", "files")
    absent = [name for name in wanted if _words(sections.get(name, "")) < 3]
    assert not absent, say(
        f"sections that are not there, or empty: {', '.join(absent)}",
        f"缺少或内容为空的小节：{', '.join(absent)}",
    )
    words = _words(sections["limits"])
    assert words >= 20, say(
        f"{words} words on the limits: who reads the card must know what the model cannot do",
        f"limits 小节只有 {words} 个词：读卡片的人需要知道模型做不到什么",
    )
    return sections


def check_facts(sections: dict[str, str], folder: Path) -> None:
    names = ("adapter/adapter_config.json", "training.json", "quantization.json")
    config, training, quality = (read(folder / name) for name in names)
    # The rise may lose what rounding to two digits, or to a tenth of a per cent, takes away.
    facts = [("data", "examples", training["examples"], 0), ("training", "r", config["r"], 0),
             ("training", "lora_alpha", config["lora_alpha"], 0),
             ("training", "steps", training["steps"], 0),
             *(("quantization", name, quality[name], 0.005 if quality[name] < 100 else 0.5)
               for name in ("perplexity", "reference_perplexity")),
             ("quantization", "rise", quality["rise"], max(0.0005, abs(quality["rise"]) / 20))]  # fmt: skip
    for section, name, value, within in facts:
        assert says_number(sections[section], value, within), say(
            f"{name} is {value:g}, and the section on {section} does not say so: "
            f"{' '.join(sections[section].split())[:120]!r}",
            f"{name} 是 {value:g}，而 {section} 小节没有写：{' '.join(sections[section].split())[:120]!r}",
        )
    assert quality["type"] in sections["quantization"], say(
        f"the section on quantization does not name the type, {quality['type']}",
        f"quantization 小节没有写类型 {quality['type']}",
    )


def check_figures(evaluation: str, figures: dict[str, Any]) -> None:
    for name in FIGURES:
        rows = [line for line in evaluation.splitlines()
                if name in line.replace(" ", "_").lower() and numbers_in(line)]  # fmt: skip
        both = [figures[column][name] for column in ("before", "after")]
        shown = numbers_in(rows[0])[-2:] if rows else []
        right = len(shown) == 2 and all(
            says_number(f"{n}", value, 0.005) for n, value in zip(shown, both, strict=True)
        )
        assert right, say(
            f"evaluation.json has {name} {both[0]:.3f} before and {both[1]:.3f} after; the card's "
            f"row says {shown}",
            f"evaluation.json 中 {name} 训练前 {both[0]:.3f}、训练后 {both[1]:.3f}；卡片这一行写的是 {shown}",
        )


def check_files(files: str, folder: Path) -> None:
    for file in sorted(folder.glob("*.gguf")):
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        row = next((x for x in files.splitlines() if file.name in x), "")
        assert digest in row, say(
            f"the sha256 of {file.name} is {digest[:12]}...; its row is {row[:90]!r}",
            f"{file.name} 的 sha256 是 {digest[:12]}…；卡片这一行是 {row[:90]!r}",
        )
