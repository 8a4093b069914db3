"""From a training run to a GGUF: merged into the unquantized base, or as a LoRA beside it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tutor.base import assets, writing
from tutor.base.assets import OwnModel
from tutor.base.errors import TutorError
from tutor.base.i18n import say
from tutor.base.settings import Settings
from tutor.workshop import adapter as adapters
from tutor.workshop import converter, families, files, gguf_file, native, report, source
from tutor.workshop.adapter import Adapter
from tutor.workshop.base import Base, merge, open_base, target_name
from tutor.workshop.gguf_file import Field, Tensor
from tutor.workshop.report import FULL, LORA, ModelFile, Report
from tutor.workshop.source import Source

CONVERTED = "converted.gguf"
F16_TYPE = 1  # llama_ftype: mostly F16


@dataclass(frozen=True)
class Form:
    """What an export is to be. lora: the adapter alone, to be loaded beside its base. merged: a
    merged Hugging Face folder as well, for vLLM. converter: for a Hugging Face folder, by the full
    converter, which knows every family and is fetched for it."""

    lora: bool = False
    merged: bool = False
    converter: bool = False


def export(
    run: str, settings: Settings, *, name: str = "", base: str = "", form: Form | None = None
) -> Report:
    """Make a model's folder from a run: `model-F16.gguf`, or `model-LoRA.gguf`.

    run, base: see `source.find`. name: of the new model; empty: the run's. The folder gets its
    name when it is whole. Raises TutorError where the run, the base or the disk is not in order.
    """
    form = form or Form()
    found = source.find(run, settings, base)
    if form.lora:
        _refuse_lora(found)
    with files.models_lock():
        chosen = name or _free(found.name)
        with _new_folder(chosen) as part:
            original = open_base(_converted(found.base, part) if form.converter else found.base)
            kind = LORA if form.lora else FULL
            target = part / f"model-{kind}.gguf"
            made = _write(target, original, found, chosen, form.lora)
            (part / CONVERTED).unlink(missing_ok=True)
            if found.adapter:
                _keep_adapter(found.adapter, part / report.ADAPTER)
            if form.merged:
                _write_folder(found, part / report.MERGED)
            file = described(target, kind, made.parameters)
            known = Report(chosen, made.arch, made.parameters, found.lineage, {kind: file})
            files.write_json(part / report.REPORT, known)
            files.write_text(part / report.CARD, report.card(known))
    _register(known, file, found.base)
    return known


def _write(target: Path, original: Base, found: Source, name: str, lora: bool) -> Base:
    """Write the GGUF and return what it was made of."""
    if lora and found.adapter:
        _write_lora(target, original, found.adapter)
        return original
    made = merge(original, found.adapter) if found.adapter else original
    fields = _named(made, name, found.lineage)
    gguf_file.write(target, made.arch, fields, list(made.tensors.values()))
    return made


def _converted(base: Path, part: Path) -> Path:
    """Return a GGUF of a Hugging Face folder, by the full converter; a GGUF is one already."""
    if base.is_file():
        return base
    converter.convert(base, part / CONVERTED)
    return part / CONVERTED


def _write_folder(found: Source, target: Path) -> None:
    adapter = str(found.adapter.folder) if found.adapter else ""
    native.call(native.MergeFolder(str(found.base), adapter, str(target)), int, model=found.name)


def _refuse_lora(found: Source) -> None:
    """Raise TutorError where there is no adapter, or no GGUF for it to be loaded beside."""
    if found.adapter is None or found.base.is_dir():
        raise TutorError(
            say(
                "Only an adapter whose base is a GGUF file can be loaded beside it.",
                "只有底座是 GGUF 文件的适配器才能与底座并用。",
            ),
            say("Leave --lora out.", "请去掉 --lora。"),
        )


def described(path: Path, kind: str, parameters: int) -> ModelFile:
    """Return what is known of a file without running it."""
    size = path.stat().st_size
    return ModelFile(kind, path.name, size, files.sha256(path), 8 * size / parameters)


def _register(known: Report, file: ModelFile, base: Path) -> None:
    own = f"{known.name}/{file.file}"
    entry = OwnModel(str(base), own) if file.type == LORA else OwnModel(own)
    assets.register(f"{known.name}:{file.type}", entry)


def _free(name: str) -> str:
    """Return the name, with a number where there is such a model: none is ever replaced."""
    taken, number = name, 1
    while files.folder_of(taken).exists():
        number += 1
        taken = f"{name}-{number}"
    return taken


@contextmanager
def _new_folder(name: str) -> Iterator[Path]:
    """Give a folder to fill, which becomes the model's where the block ends well.

    What a killed export left under the .part name is thrown away by the next.
    """
    folder = files.folder_of(name)
    if folder.exists():
        raise TutorError(
            say(f"There is a model {name} already.", f"已有名为 {name} 的模型。"),
            say("Choose another: --name NAME", "请换一个：--name 名称"),
        )
    part = folder.with_name(f"{name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        with files.disk_errors(folder):
            part.mkdir(parents=True)
            yield part
            for path in part.rglob("*"):
                writing.sync(path)
            part.rename(folder)
            writing.sync(folder.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _keep_adapter(adapter: Adapter, target: Path) -> None:
    """Copy the adapter, which the gates lay over the base again; runs may be thrown away."""
    target.mkdir()
    for name in (adapters.CONFIG, adapters.WEIGHTS):
        shutil.copyfile(adapter.folder / name, target / name)


def _named(base: Base, name: str, lineage: report.Lineage) -> list[Field]:
    """Return the base's metadata under the model's own name, with where it comes from."""
    from gguf import GGUFValueType

    own = gguf_file.text_fields(
        {
            "general.name": name,
            "general.license": lineage.base_licence.lower(),
            "tutor.base": lineage.base,
            "tutor.base_sha256": lineage.base_sha256,
            "tutor.adapter_sha256": lineage.adapter_sha256,
        }
    )
    own.append(Field("general.file_type", F16_TYPE, int(GGUFValueType.UINT32)))
    replaced = {field.key for field in own}
    return [field for field in base.fields if field.key not in replaced] + own


def _write_lora(target: Path, base: Base, adapter: Adapter) -> None:
    """Write the adapter as llama.cpp loads it beside a base: A and B of each matrix.

    The scale is in B, and alpha is 0, which llama.cpp takes for a scale of 1: each matrix may
    have its own rank and alpha.
    """
    from gguf import GGUFValueType

    if adapter.whole or any(change.magnitude for change in adapter.low_rank.values()):
        raise TutorError(
            say(
                "DoRA and wholly trained parameters cannot be loaded beside a base.",
                "DoRA 和整体训练的参数无法在底座旁加载。",
            ),
            say("Leave --lora out: they can be merged.", "请去掉 --lora：它们可以合并。"),
        )
    tensors = list(_lora_tensors(base, adapter))
    fields = [
        *gguf_file.text_fields({"general.type": "adapter", "adapter.type": "lora"}),
        Field("adapter.lora.alpha", 0.0, int(GGUFValueType.FLOAT32)),
    ]
    gguf_file.write(target, base.arch, fields, tensors)


def _lora_tensors(base: Base, adapter: Adapter) -> Iterator[Tensor]:
    names = families.gguf_names(base.arch, base.blocks)
    merged = merge(base, replace(adapter, whole={}))  # refuses an adapter of another base
    for module, change in adapter.low_rank.items():
        name = target_name(merged, names, f"{module}.weight")
        heads = families.heads_to_permute(name, base.arch, base.metadata)
        outputs, inputs = change.shape
        rank = change.a.shape[0]
        yield Tensor(f"{name}.lora_a", (rank, inputs), partial(_factor, change, heads, 1))
        yield Tensor(f"{name}.lora_b", (outputs, rank), partial(_factor, change, heads, 0))


def _factor(change: adapters.LowRank, heads: int, which: int):  # type: ignore[no-untyped-def]
    return change.factors(heads)[which]
