"""What `tutor model export RUN` means: an adapter with its base and its run, or a whole model."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from exercises import jobs, spec, workspace
from tutor.base import assets
from tutor.base.errors import MissingError, TutorError
from tutor.base.i18n import say
from tutor.base.settings import Settings
from tutor.workshop import adapter as adapters
from tutor.workshop import files, hf_folder
from tutor.workshop.adapter import Adapter
from tutor.workshop.report import Data, Lineage, Taught

NOTES = "lineage.json"
"""What a run may leave beside its adapter: {"data": [{"name", "sha256", "licence"}], "taught":
[{"prompt", "phrase"}], "run": {figure: value}}."""
SETTINGS = ("peft_type", "r", "lora_alpha", "use_rslora", "use_dora", "target_modules")


@dataclass(frozen=True)
class Source:
    """base: the GGUF file or Hugging Face folder to read. adapter: None for a whole model."""

    name: str
    base: Path
    base_name: str
    adapter: Adapter | None
    lineage: Lineage


class _Notes(msgspec.Struct, frozen=True):
    data: tuple[Data, ...] = ()
    taught: tuple[Taught, ...] = ()
    run: dict[str, Any] = {}


def find(reference: str, settings: Settings, base: str = "") -> Source:
    """Find what to export.

    reference: an exercise ("week5/lora": its newest finished run), a run's folder, an adapter's, or
    a Hugging Face model's. base: the adapter's base where its config does not tell; an asset's
    name, a GGUF file or a folder. Raises TutorError or MissingError where something is not there.
    """
    folder, name = _folder(reference, settings)
    adapter_folder = next((f for f in (folder / "adapter", folder) if _is_adapter(f)), None)
    if adapter_folder is None:
        if not (folder / hf_folder.CONFIG).is_file():
            raise TutorError(
                say(
                    f"{folder} holds neither an adapter nor a model.",
                    f"{folder} 中既没有适配器，也没有模型。",
                ),
                say(
                    "Name a run's folder, an adapter's (adapter_config.json) or a model's "
                    "(config.json, model.safetensors).",
                    "请给出运行目录、适配器目录（含 adapter_config.json）或模型目录"
                    "（含 config.json、model.safetensors）。",
                ),
            )
        return Source(name, folder, str(folder), None, _lineage(folder, None, folder, str(folder)))
    adapter = adapters.load(adapter_folder)
    path, base_name = _base(adapter, base)
    return Source(name, path, base_name, adapter, _lineage(folder, adapter, path, base_name))


def _is_adapter(folder: Path) -> bool:
    return (folder / adapters.CONFIG).is_file()


def _folder(reference: str, settings: Settings) -> tuple[Path, str]:
    """Return the folder that is meant, and a name for the model that comes from it."""
    path = Path(reference).expanduser()
    if path.is_dir():
        path = path.resolve()
        result = jobs.last_result(path)
        name = result.exercise if result else path.name
        return path, _plain(path.parent.name if name == "adapter" else name)
    exercise = spec.find_one(reference)
    runs = workspace.runs_of(exercise, settings)
    finished = [
        folder for folder in runs.glob("*")
        if (result := jobs.last_result(folder)) and result.finished and _is_adapter(folder / "adapter")
    ]  # fmt: skip
    if not finished:
        raise MissingError(
            say(
                f"No finished run of {exercise.id} has left an adapter.",
                f"{exercise.id} 还没有哪次完成的运行留下适配器。",
            ),
            say(f"Run: tutor run {exercise.id}", f"请运行：tutor run {exercise.id}"),
        )
    newest = max(finished, key=lambda folder: (folder / jobs.RECORD).stat().st_mtime)
    return newest, _plain(exercise.id)


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._") or "model"


def _base(adapter: Adapter, wished: str) -> tuple[Path, str]:
    """Return the base to merge into, and its name.

    Raises TutorError where the wish contradicts what the adapter says of itself.
    """
    recorded = _resolve(adapter.base)
    if not wished:
        if recorded is None:
            raise TutorError(
                say(
                    f"The adapter's base, {adapter.base or '?'}, is not on this machine.",
                    f"适配器的底座 {adapter.base or '?'} 不在这台机器上。",
                ),
                say(
                    "Name it: --base NAME|FILE.gguf|FOLDER",
                    "请指明：--base 名称|文件.gguf|目录",
                ),
            )
        return recorded
    chosen = _resolve(wished)
    if chosen is None:
        assets.path(wished)  # says what is missing, or what is nearest
        raise AssertionError(wished)
    if recorded and recorded[0].resolve() != chosen[0].resolve():
        raise TutorError(
            say(
                f"The adapter was trained on {recorded[1]}, not on {chosen[1]}.",
                f"这个适配器是在 {recorded[1]} 上训练的，而不是 {chosen[1]}。",
            ),
            say("Leave --base out.", "请去掉 --base。"),
        )
    return chosen


def _resolve(name: str) -> tuple[Path, str] | None:
    """Return the file or folder that a base's name means, or None where it is not here."""
    if not name:
        return None
    path = Path(name).expanduser()
    if asset := _asset_of(path.name):
        return assets.path(asset), asset
    if path.is_dir() and (path / hf_folder.CONFIG).is_file():
        return path.resolve(), str(path.resolve())
    if path.suffix == ".gguf" and path.is_file():
        return path.resolve(), str(path.resolve())
    return None


def _asset_of(name: str) -> str:
    """Return the chat model that a name means: its own, or that of the folder which the lab keeps
    it in, dequantized (exercises/lab.py: NAME-DTYPE-SIZE-…)."""
    for asset in assets.catalogue().values():
        kept = re.match(rf"{re.escape(asset.name)}-(bfloat16|float32)-(\d+)-", name)
        if asset.kind == "chat" and (
            name == asset.name or (kept and int(kept[2]) == asset.files[0].size)
        ):
            return asset.name
    return ""


def _lineage(folder: Path, adapter: Adapter | None, base: Path, base_name: str) -> Lineage:
    asset = assets.catalogue().get(base_name)
    notes = _notes(folder)
    return Lineage(
        base=base_name,
        base_sha256=asset.files[0].sha256 if asset else _sha256_of(base),
        base_licence=asset.licence if asset else "",
        base_page=asset.page if asset else "",
        source=str(folder),
        adapter_sha256=files.sha256(adapter.folder / adapters.WEIGHTS) if adapter else "",
        adapter={k: v for k in SETTINGS if (v := adapter.config.get(k))} if adapter else {},
        run=_run(folder) | notes.run,
        data=notes.data,
        taught=notes.taught,
        made_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        versions={name: version(name) for name in ("tutor", "gguf", "llama-cpp-python", "peft")},
    )


def _sha256_of(base: Path) -> str:
    if base.is_file():
        return files.sha256(base)
    weights = base / hf_folder.WEIGHTS
    return files.sha256(weights) if weights.is_file() else ""


def _run(folder: Path) -> dict[str, Any]:
    result = jobs.last_result(folder)
    if result is None:
        return {}
    known = {"exercise": result.exercise, "source_sha256": result.source_sha256}
    return known | {"seconds": result.seconds} | result.figures


def _notes(folder: Path) -> _Notes:
    path = folder / NOTES
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Notes)
    except FileNotFoundError:
        return _Notes()
    except msgspec.DecodeError as error:
        raise TutorError(
            say(f"{path}: {error}", f"{path}：{error}"),
            say("Correct it, or delete it.", "请改正或删除它。"),
        ) from error
