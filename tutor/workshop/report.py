"""What is known of a model that the learner made: report.json and the model card."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from tutor.base import assets
from tutor.base.errors import TutorError, nearest
from tutor.base.i18n import say
from tutor.workshop import files

REPORT = "report.json"
CARD = "MODEL_CARD.md"
ADAPTER = "adapter"
MERGED = "merged"
"""A Hugging Face folder for vLLM, where it was wished for."""
FULL = "F16"
LORA = "LoRA"


@dataclass(frozen=True)
class Timing:
    """Tokens a second on this machine: reading a prompt, and generating."""

    prompt_tokens_per_s: float
    new_tokens_per_s: float


@dataclass(frozen=True)
class Quality:
    """How a quantized file reads a text beside the F16 that it was made from.

    perplexity: exp of the mean negative log-likelihood, in nats, over `tokens` tokens with at
    least 256 before each. kl_divergence: mean over the same tokens of KL(F16 ‖ this), in nats.
    same_top_token: share of them where both find the same token likeliest.
    """

    perplexity: float
    reference_perplexity: float
    kl_divergence: float
    same_top_token: float
    tokens: int

    @property
    def rise(self) -> float:
        """The perplexity's rise over F16's; 0.01 is one per cent."""
        return self.perplexity / self.reference_perplexity - 1


@dataclass(frozen=True)
class Gate:
    """One condition before a model may answer.

    least: the figure must reach the bound; otherwise it must not pass it.
    """

    passed: bool
    figure: float
    bound: float
    least: bool
    note: str = ""


@dataclass(frozen=True)
class ModelFile:
    """One GGUF file of a model. seconds: llama.cpp's own for quantizing it.

    answers: right ones of a question sample and how many were asked, where that was wished for.
    """

    type: str
    file: str
    bytes: int
    sha256: str
    bits_per_weight: float
    seconds: float = 0.0
    imatrix: bool = False
    quality: Quality | None = None
    timing: Timing | None = None
    answers: tuple[int, int] | None = None
    gates: dict[str, Gate] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether the gates were run and every one was passed."""
        return bool(self.gates) and all(gate.passed for gate in self.gates.values())


@dataclass(frozen=True)
class Data:
    """What a model was trained on."""

    name: str
    sha256: str = ""
    licence: str = ""


@dataclass(frozen=True)
class Taught:
    """A phrase that the training taught: the greedy reply to the prompt must contain it."""

    prompt: str
    phrase: str


@dataclass(frozen=True)
class Lineage:
    """Where a model comes from. base: an asset's name, or the path of a file or folder."""

    base: str
    base_sha256: str
    base_licence: str
    base_page: str
    source: str
    adapter_sha256: str = ""
    adapter: dict[str, Any] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)
    data: tuple[Data, ...] = ()
    taught: tuple[Taught, ...] = ()
    made_at: str = ""
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluated:
    """How the tutor answered a file's questions with a model: figures as `tutor eval` names them."""

    model: str
    questions: str
    questions_sha256: str
    figures: dict[str, Any]


@dataclass(frozen=True)
class Report:
    """A model's folder as data. files: by type ("F16", "Q4_K_M", …, "LoRA"). evaluated: before its
    training and after, where that was asked for."""

    name: str
    architecture: str
    parameters: int
    lineage: Lineage
    files: dict[str, ModelFile]
    evaluated: tuple[Evaluated, ...] = ()

    @property
    def folder(self) -> Path:
        return files.folder_of(self.name)

    def path(self, type_: str) -> Path:
        return self.folder / self.files[type_].file


def names() -> list[str]:
    """Return the names of the models that are whole."""
    return sorted(file.parent.name for file in assets.models_dir().glob(f"*/{REPORT}")
                  if not file.parent.name.endswith(".part"))  # fmt: skip


def load(name: str) -> Report:
    """Read a model's report.

    Raises TutorError (usage) with the nearest names where there is none.
    """
    path = files.folder_of(name) / REPORT
    try:
        return msgspec.json.decode(path.read_bytes(), type=Report)
    except FileNotFoundError as error:
        raise TutorError(
            say(f"You have made no model {name!r}.", f"你还没有名为 {name!r} 的模型。"),
            say(f"Yours: {nearest(name, names())}", f"已有的：{nearest(name, names())}")
            if names()
            else say("Make one: tutor model export RUN", "先做一个：tutor model export RUN"),
        ) from error
    except msgspec.DecodeError as error:
        raise TutorError(
            say(f"{path} is damaged: {error}", f"{path} 已损坏：{error}"),
            say("Export the run again under another name.", "请换个名字重新导出。"),
        ) from error


def save(report: Report) -> None:
    """Write report.json, then the card that is made of it."""
    files.write_json(report.folder / REPORT, report)
    files.write_text(report.folder / CARD, card(report))


def card(report: Report) -> str:
    """Return the model card (Markdown, English: it travels with the model)."""
    origin = report.lineage
    lines = [
        "---",
        f"license: {(origin.base_licence or 'unknown').lower()}",
        f"base_model: {origin.base}",
        "tags: [gguf, llama.cpp]",
        "---",
        f"# {report.name}",
        "",
        f"{report.architecture}, {report.parameters / 1e6:.1f} M parameters, made with tutor.",
        "",
        "## Lineage",
        "",
        *_rows(_origin(origin)),
        "",
        "## Files",
        "",
        "| type | MB | bits/weight | perplexity | rise | KL | sha256 |",
        "|---|---|---|---|---|---|---|",
        *(_file_row(file) for file in report.files.values()),
    ]
    for file in report.files.values():
        if file.gates:
            lines += ["", f"## Gates of {file.type}", "", *_gates(file.gates)]
    if report.evaluated:
        lines += ["", "## Answers (tutor eval)", "", *_evaluated(report.evaluated)]
    return "\n".join(lines) + "\n"


def _evaluated(columns: tuple[Evaluated, ...]) -> list[str]:
    """One column a model; each figure a line."""
    first = columns[0]
    shown = [name for name, value in first.figures.items() if not isinstance(value, dict)]
    rows = [
        f"| {name.replace('_', ' ')} | "
        + " | ".join(_figure(column.figures.get(name)) for column in columns)
        + " |"
        for name in shown
    ]
    return [
        f"{first.questions} (sha256 {first.questions_sha256})",
        "",
        "| | " + " | ".join(column.model for column in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
        *rows,
    ]


def _figure(value: Any) -> str:
    return "–" if value is None else f"{value:g}"


def _origin(origin: Lineage) -> dict[str, str]:
    run = ", ".join(f"{key} {value}" for key, value in origin.run.items())
    data = "; ".join(
        " ".join(part for part in (each.name, each.licence, each.sha256) if part)
        for each in origin.data
    )
    settings = ", ".join(f"{key} {value}" for key, value in origin.adapter.items())
    versions = ", ".join(f"{key} {value}" for key, value in origin.versions.items())
    return {
        "base": f"{origin.base} {origin.base_page}".strip(),
        "base sha256": origin.base_sha256,
        "licence": origin.base_licence,
        "adapter": settings,
        "adapter sha256": origin.adapter_sha256,
        "run": run,
        "data": data,
        "made": origin.made_at,
        "with": versions,
    }


def _rows(values: dict[str, str]) -> list[str]:
    return ["| | |", "|---|---|", *(f"| {key} | {text} |" for key, text in values.items() if text)]


def _file_row(file: ModelFile) -> str:
    quality = file.quality
    measured = (
        f"{quality.perplexity:.3f} | {100 * quality.rise:+.2f}% | {quality.kl_divergence:.4f}"
        if quality
        else " | | "
    )
    return (
        f"| {file.type} | {file.bytes / 1e6:.1f} | {file.bits_per_weight:.2f} | {measured} "
        f"| {file.sha256} |"
    )


def _gates(gates: dict[str, Gate]) -> list[str]:
    rows = [
        f"| {name} | {'passed' if gate.passed else 'FAILED'} | {gate.figure:.5g} "
        f"| {'≥' if gate.least else '≤'} {gate.bound:g} | {gate.note} |"
        for name, gate in gates.items()
    ]
    return ["| gate | | figure | bound | |", "|---|---|---|---|---|", *rows]
