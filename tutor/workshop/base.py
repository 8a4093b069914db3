"""The unquantized base that an adapter is merged into: a GGUF file, dequantized, or a Hugging
Face folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tutor.base.errors import TutorError
from tutor.base.i18n import say
from tutor.workshop import families, gguf_file, hf_folder
from tutor.workshop import safetensors_file as safetensors
from tutor.workshop.adapter import Adapter, LowRank
from tutor.workshop.gguf_file import Field, Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

INPUT, OUTPUT = "token_embd.weight", "output.weight"


@dataclass(frozen=True)
class Base:
    """What a GGUF of the model is made of. path: the GGUF file, or the Hugging Face folder.

    fields: all of the metadata; metadata: its single values. tensors: by GGUF name, F32 when read.
    """

    path: Path
    arch: str
    fields: tuple[Field, ...]
    metadata: Mapping[str, Any]
    tensors: dict[str, Tensor]

    @property
    def blocks(self) -> int:
        return int(self.metadata[f"{self.arch}.block_count"])

    @property
    def parameters(self) -> int:
        import math

        return sum(math.prod(tensor.shape) for tensor in self.tensors.values())


def open_base(path: Path) -> Base:
    """Read what a base is; its tensors are read when they are written.

    Raises TutorError where it is broken, or of a family that has no proven map.
    """
    return _from_folder(path) if path.is_dir() else _from_gguf(path)


def _from_gguf(path: Path) -> Base:
    """GGUF in, GGUF out: metadata, tokenizer and template are copied, not made again."""
    if wrong := gguf_file.problems(path, values=False):
        raise gguf_file.broken(path, wrong)
    reader = gguf_file.read(path)
    tensors = {
        t.name: Tensor(t.name, tuple(int(n) for n in reversed(t.shape)),
                       partial(gguf_file.dequantized, t))
        for t in reader.tensors
    }  # fmt: skip
    known = gguf_file.metadata(reader)
    arch = str(known["general.architecture"])
    return Base(path, arch, tuple(gguf_file.fields(reader)), known, tensors)


def _from_folder(folder: Path) -> Base:
    config = hf_folder.read_config(folder)
    arch = hf_folder.architecture(config)
    fields = hf_folder.fields(folder, config, arch)
    known = {field.key: field.value for field in fields}
    names = families.gguf_names(arch, known[f"{arch}.block_count"])
    tensors: dict[str, Tensor] = {}
    for name, entry in safetensors.entries(folder, hf_folder.WEIGHTS).items():
        if hf_folder.ignored(name):
            continue
        found = _gguf_name(names, name)
        transposed = hf_folder.transposed(name, families.FAMILIES[arch])
        shape = entry.shape[::-1] if transposed else entry.shape
        heads = families.heads_to_permute(found, arch, known)
        tensors[found] = Tensor(found, shape, partial(_laid_out, entry, transposed, heads))
    _refuse_missing(folder, arch, known, tensors)
    return Base(folder, arch, tuple(fields), known, tensors)


def _laid_out(entry: safetensors.Entry, transposed: bool, heads: int) -> NDArray[Any]:
    values = safetensors.read(entry)
    values = values.T if transposed else values
    return families.permute(values, heads) if heads else values


def _gguf_name(names: Any, name: str) -> str:
    found = names.get_name(name, (".weight", ".bias"))
    if found is None:
        raise TutorError(
            say(f"No GGUF tensor is known for {name}.", f"{name} 没有对应的 GGUF 张量。"),
            say(
                "Is it a model of another family? Let the full converter try: add --converter",
                "它可能属于别的模型系列，请加上 --converter，用完整的转换器试试。",
            ),
        )
    return found


def _refuse_missing(
    folder: Path, arch: str, known: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> None:
    wanted = families.required(arch, known[f"{arch}.block_count"])
    if missing := [name for name in wanted if name not in tensors]:
        raise gguf_file.broken(
            folder,
            [say(f"the tensor {name} is missing", f"缺少张量 {name}") for name in missing],
        )
    rows = tensors[INPUT].shape[0]
    if rows != known[f"{arch}.vocab_size"]:
        wrong = say(
            f"the vocabulary has {known[f'{arch}.vocab_size']} tokens, the embeddings {rows} rows",
            f"词表有 {known[f'{arch}.vocab_size']} 个 token，而嵌入有 {rows} 行",
        )
        raise gguf_file.broken(folder, [wrong])


def merge(base: Base, adapter: Adapter) -> Base:
    """Return the base with the adapter's changes in its tensors.

    Raises TutorError where the adapter is one of another base: a module that this one has not, or
    has in another shape.
    """
    if base.arch not in families.FAMILIES:
        raise TutorError(
            say(
                f"How adapters are merged into {base.arch} is not known here.",
                f"这里不知道如何把适配器合并到 {base.arch}。",
            ),
            say(
                "Merge with peft (merge_and_unload), save, and export that folder.",
                "请用 peft 合并（merge_and_unload）并保存，再导出该目录。",
            ),
        )
    names = families.gguf_names(base.arch, base.blocks)
    tensors = dict(base.tensors)
    for name, entry in adapter.whole.items():
        found = _target(base, tensors, names, name, entry.shape)
        heads = families.heads_to_permute(found.name, base.arch, base.metadata)
        _put(tensors, found, partial(_laid_out, entry, False, heads))
    for module, change in adapter.low_rank.items():
        found = _target(base, tensors, names, f"{module}.weight", change.shape)
        heads = families.heads_to_permute(found.name, base.arch, base.metadata)
        _put(tensors, found, partial(_merged, found.make, change, heads))
    # One matrix serves both ends of a tied model. peft trains the input's; the output's stays
    # what it was, unless the two were asked to stay tied.
    untied = tensors[INPUT] is not base.tensors[INPUT] and OUTPUT not in tensors
    if untied and not adapter.config.get("ensure_weight_tying"):
        tensors[OUTPUT] = replace(base.tensors[INPUT], name=OUTPUT)
    return replace(base, tensors=tensors)


def _merged(make: Callable[[], NDArray[Any]], change: LowRank, heads: int) -> NDArray[Any]:
    return change.merged(make(), heads)


def _put(tensors: dict[str, Tensor], found: Tensor, make: Callable[[], NDArray[Any]]) -> None:
    tensors[found.name] = replace(found, make=make)


def target_name(base: Base, names: Any, parameter: str) -> str:
    """Return the GGUF name of a parameter that an adapter changes. Raises as `merge` does."""
    name = names.get_name(parameter, (".weight", ".bias"))
    if name is None or (name not in base.tensors and name != OUTPUT):
        raise _other_base(parameter, say("this base has no such module", "此底座没有该模块"))
    return name


def _target(
    base: Base,
    tensors: Mapping[str, Tensor],
    names: Any,
    parameter: str,
    shape: tuple[int, ...],
) -> Tensor:
    name = target_name(base, names, parameter)
    found = tensors.get(name) or replace(base.tensors[INPUT], name=name)
    if found.shape != shape:
        theirs, ours = "×".join(map(str, shape)), "×".join(map(str, found.shape))
        raise _other_base(parameter, say(f"{theirs}, here {ours}", f"{theirs}，而这里是 {ours}"))
    return found


def _other_base(parameter: str, why: str) -> TutorError:
    return TutorError(
        say(
            f"The adapter was trained on another base: {parameter}: {why}.",
            f"这个适配器是在另一个底座上训练的：{parameter}：{why}。",
        ),
        say(
            "Name the base that it was trained on: --base NAME|FILE.gguf|FOLDER",
            "请指明训练时所用的底座：--base 名称|文件.gguf|目录",
        ),
    )
