"""GGUF files: read with errors that say what is broken, checked tensor by tensor, written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tutor.base.errors import MissingError, TutorError
from tutor.base.i18n import say
from tutor.workshop import families

if TYPE_CHECKING:
    from gguf import GGUFReader, GGUFWriter
    from numpy.typing import NDArray

F16_LARGEST = 65504.0
TOKENS = "tokenizer.ggml.tokens"
TEMPLATE = "tokenizer.chat_template"
# What the library fails with on bytes that are not a whole GGUF file.
_BROKEN = (ValueError, IndexError, KeyError, OverflowError, TypeError, MemoryError)


@dataclass(frozen=True)
class Field:
    """One key of the metadata, with GGUF's types (sub_type: of an array's items)."""

    key: str
    value: Any
    type: int
    sub_type: int | None = None


@dataclass(frozen=True)
class Tensor:
    """A tensor to be written. make: gives it as float32, of this shape, when its turn comes."""

    name: str
    shape: tuple[int, ...]
    make: Callable[[], NDArray[Any]]

    @property
    def half(self) -> bool:
        """Matrices are written as F16; norms and biases stay F32, as llama.cpp wants them."""
        return len(self.shape) > 1


def read(path: Path) -> GGUFReader:
    """Open a GGUF file.

    Raises MissingError where it is not there, TutorError where it is no whole GGUF file.
    """
    from tutor.workshop.gguf_reader import Reader

    if not path.is_file():
        raise MissingError(say(f"There is no file {path}.", f"没有文件 {path}。"))
    try:
        return Reader(path)
    except _BROKEN as error:
        raise broken(
            path, [say(f"it is broken off ({error})", f"文件不完整（{error}）")]
        ) from error


def broken(path: Path, problems: Sequence[str]) -> TutorError:
    shown = "; ".join(problems[:3]) + (" …" if len(problems) > 3 else "")
    return TutorError(
        say(
            f"{path.name} is not a whole model: {shown}.", f"{path.name} 不是完整的模型：{shown}。"
        ),
        say(
            "Make it again (tutor model export, quantize); the model in use has not changed.",
            "请重新生成（tutor model export、quantize）；正在使用的模型没有变化。",
        ),
    )


def metadata(reader: GGUFReader) -> dict[str, Any]:
    """Return the metadata's single values; of arrays, their length alone."""
    from gguf import GGUFValueType

    return {
        key: len(field.data) if field.types[:1] == [GGUFValueType.ARRAY] else field.contents()
        for key, field in reader.fields.items()
        if not key.startswith("GGUF.")
    }


def fields(reader: GGUFReader) -> list[Field]:
    """Return the metadata whole, to be written again; the architecture comes with the writer."""
    from gguf import GGUFValueType

    return [
        Field(
            key, field.contents(), int(field.types[0]),
            int(field.types[-1]) if field.types[0] == GGUFValueType.ARRAY else None,
        )
        for key, field in reader.fields.items()
        if not key.startswith("GGUF.") and key != "general.architecture"
    ]  # fmt: skip


def template(reader: GGUFReader) -> str:
    """Return the chat template; empty where there is none."""
    field = reader.get_field(TEMPLATE)
    return field.contents() if field else ""


def dequantized(tensor: Any) -> NDArray[Any]:
    """Return a reader's tensor as float32."""
    from gguf import quants

    return quants.dequantize(tensor.data, tensor.tensor_type)


def problems(path: Path, *, values: bool = True) -> list[str]:
    """Return what is wrong with a model's file: missing tensors, a vocabulary of another size than
    its embeddings, weights that are not numbers (values). Raises TutorError where it cannot be
    read at all.
    """
    reader = read(path)
    known = metadata(reader)
    if known.get("general.type") == "adapter":
        return _adapter_problems(reader)
    arch = str(known.get("general.architecture", ""))
    shapes = {t.name: tuple(int(n) for n in reversed(t.shape)) for t in reader.tensors}
    found = [
        say(f"the tensor {name} is missing", f"缺少张量 {name}")
        for name in families.required(arch, int(known.get(f"{arch}.block_count", 0)))
        if name not in shapes
    ]
    rows = shapes.get("token_embd.weight", (0,))[0]
    if rows and known.get(TOKENS, rows) != rows:
        found.append(
            say(
                f"the vocabulary has {known[TOKENS]} tokens, the embeddings {rows} rows",
                f"词表有 {known[TOKENS]} 个 token，而嵌入有 {rows} 行",
            )
        )
    if values and not found:
        found += [_not_numbers(t.name) for t in reader.tensors if not _finite(t)]
    return found


def _adapter_problems(reader: GGUFReader) -> list[str]:
    names = {tensor.name for tensor in reader.tensors}
    other = {"a": "b", "b": "a"}
    halves = [name for name in names if name[:-1] + other.get(name[-1], "") not in names]
    if halves:
        return [say(f"half of {name} is missing", f"{name} 缺少另一半") for name in halves]
    return [_not_numbers(t.name) for t in reader.tensors if not _finite(t)]


def _finite(tensor: Any) -> bool:
    import numpy as np

    if tensor.data.dtype in (np.float16, np.float32):
        return bool(np.isfinite(tensor.data).all())
    step = max(1, (1 << 24) // max(1, tensor.data.shape[-1]))  # rows of some 16 MB together
    from gguf import quants

    return all(
        bool(np.isfinite(quants.dequantize(tensor.data[i : i + step], tensor.tensor_type)).all())
        for i in range(0, len(tensor.data), step)
    )


def _not_numbers(name: str) -> str:
    return say(f"{name} holds NaN or infinity", f"{name} 含有 NaN 或无穷大")


def write(path: Path, arch: str, metadata: Iterable[Field], tensors: Sequence[Tensor]) -> None:
    """Write a GGUF file, one tensor in memory at a time.

    Raises TutorError for a weight that is not a number or that F16 cannot hold.
    """
    from gguf import GGUFValueType, GGUFWriter

    writer = GGUFWriter(None, arch)
    for field in metadata:
        sub_type = None if field.sub_type is None else GGUFValueType(field.sub_type)
        writer.add_key_value(field.key, field.value, GGUFValueType(field.type), sub_type)
    import numpy as np

    for tensor in tensors:
        dtype = np.dtype(np.float16 if tensor.half else np.float32)
        count = int(np.prod(tensor.shape, dtype=np.int64))
        writer.add_tensor_info(tensor.name, tensor.shape, dtype, count * dtype.itemsize)
    try:
        writer.write_header_to_file(path)
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for tensor in tensors:
            writer.write_tensor_data(_typed(tensor))
    finally:
        _close(writer)


def _typed(tensor: Tensor) -> NDArray[Any]:
    import numpy as np

    values = np.ascontiguousarray(tensor.make())
    if values.shape != tensor.shape:
        raise AssertionError(f"{tensor.name}: {values.shape}, announced as {tensor.shape}")
    limit = F16_LARGEST if tensor.half else np.inf
    # A NaN is smaller than nothing, so that this refuses it too.
    if values.size and not float(np.abs(values).max()) < limit + 1:
        raise TutorError(
            say(
                f"{tensor.name} holds NaN, infinity or a value beyond {limit:g}.",
                f"{tensor.name} 含有 NaN、无穷大或超出 {limit:g} 的值。",
            ),
            say(
                "The training diverged: lower the learning rate, clip gradients, train again.",
                "训练已发散：请降低学习率、裁剪梯度后重新训练。",
            ),
        )
    return values.astype(np.float16 if tensor.half else np.float32, copy=False)


def _close(writer: GGUFWriter) -> None:
    if writer.fout is not None:
        for out in writer.fout:
            out.close()


def text_fields(values: Mapping[str, str]) -> list[Field]:
    """Return metadata of plain strings; empty ones are left out."""
    from gguf import GGUFValueType

    return [Field(key, text, int(GGUFValueType.STRING)) for key, text in values.items() if text]
