"""Quantize a model with llama.cpp, and measure what it costs and what it brings."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tutor.base import assets, writing
from tutor.base.assets import OwnModel
from tutor.base.errors import TutorError, nearest
from tutor.base.i18n import say
from tutor.workshop import chart, export, files, gguf_file, native, report, texts
from tutor.workshop.native import Loaded
from tutor.workshop.report import FULL, LORA, ModelFile, Quality, Report, Timing

# llama.cpp's numbers (llama_ftype).
TYPES = {
    "Q8_0": 7, "Q6_K": 18, "Q5_K_M": 17, "Q5_K_S": 16, "Q5_1": 9, "Q5_0": 8, "Q4_K_M": 15,
    "Q4_K_S": 14, "Q4_1": 3, "Q4_0": 2, "IQ4_NL": 25, "IQ4_XS": 30, "Q3_K_L": 13, "Q3_K_M": 12,
    "Q3_K_S": 11, "Q2_K": 10,
}  # fmt: skip
CHART = "quantization.svg"
CHUNKS = 16
"""Of 512 tokens, half of them counted: 4,080 tokens. Both sides read the same ones; with half as
many the 135M's rise in Q8_0 still moved between 0.5 and 0.8 %."""
MATRIX_CHUNKS = 16
PROMPT_TOKENS, NEW_TOKENS = 256, 48

Say = Callable[[str], None]
Sample = Callable[[str], tuple[int, int]]
"""Asks a registered model the sample questions: right answers, and how many were asked."""


@dataclass(frozen=True)
class Wish:
    """What to make. imatrix: weigh columns by how strongly they are used, measured on the
    knowledge base's text. measure: perplexity, KL divergence and speed too."""

    types: tuple[str, ...]
    imatrix: bool = False
    measure: bool = True


def quantize(
    name: str, wish: Wish, tell: Say = lambda _: None, ask: Sample | None = None
) -> Report:
    """Quantize a model's F16 to each type; what is there already is made again.

    Raises TutorError for an unknown type, a broken F16 or a full disk; what was there stays.
    """
    _refuse_unknown(wish.types)
    known = report.load(name)
    if FULL not in known.files:
        raise TutorError(
            say(f"{name} has no F16 file to quantize.", f"{name} 没有可量化的 F16 文件。"),
            say("A LoRA is not quantized: export without --lora.", "LoRA 不做量化：导出时去掉 --lora。"),
        )  # fmt: skip
    with _matrix(known, wish, tell) as imatrix:
        for type_ in wish.types:
            tell(say(f"quantizing to {type_}", f"正在量化为 {type_}"))
            file = _one(known, type_, imatrix)
            if wish.measure:
                tell(say(f"measuring {type_}", f"正在测量 {type_}"))
                file = measured(known, file)
            if ask:
                file = replace(file, answers=ask(f"{name}:{type_}"))
            known = replace(known, files={**known.files, type_: file})
            report.save(known)
    if any(file.quality for file in known.files.values()):
        files.write_text(known.folder / CHART, chart.draw(known))
    return known


def _one(known: Report, type_: str, imatrix: str) -> ModelFile:
    """Write one file; the one that was there is replaced when the new one is whole."""
    target = known.folder / f"model-{type_}.gguf"
    source = known.path(FULL)
    with files.models_lock(), files.written(target) as part:
        room = files.room(target.parent)
        task = native.Quantize(str(source), str(part), TYPES[type_], imatrix)
        try:
            seconds = native.call(task, float, model=target.name)
        except TutorError as error:
            if wrong := gguf_file.problems(source):
                raise gguf_file.broken(source, wrong) from error
            # llama.cpp says of a failed write only that it failed.
            raise files.why_unwritten(target, part, room, source.stat().st_size, error) from error
        with ThreadPoolExecutor(2) as beside:  # each of the three takes seconds of a large file
            synced = beside.submit(writing.sync, part)
            file = beside.submit(export.described, part, type_, known.parameters)
            # llama.cpp refuses weights that are no numbers; it takes what else is wrong over.
            wrong = gguf_file.problems(part, values=False)
        synced.result()
        if wrong:
            raise gguf_file.broken(source if gguf_file.problems(source) else target, wrong)
    assets.register(f"{known.name}:{type_}", OwnModel(f"{known.name}/{target.name}"))
    made = replace(file.result(), file=target.name)
    return replace(made, seconds=seconds, imatrix=bool(imatrix))


def measured(known: Report, file: ModelFile) -> ModelFile:
    """Return the file with its quality beside F16's, and its speed on this machine."""
    model = Loaded(str(known.folder / file.file))
    full = Loaded(str(known.path(FULL)))
    text = texts.for_perplexity()
    quality = native.call(native.Compare(model, full, text, CHUNKS), Quality, model=file.file)
    return replace(file, quality=quality, timing=timed(model))


def timed(model: Loaded) -> Timing:
    """Return a model's speed here."""
    return native.call(native.Speed(model, PROMPT_TOKENS, NEW_TOKENS), Timing, model=model.file)


@contextmanager
def _matrix(known: Report, wish: Wish, tell: Say) -> Iterator[str]:
    """Give the file of the importance matrix; empty where none is wished for."""
    if not wish.imatrix:
        yield ""
        return
    tell(say("measuring the importance matrix", "正在测量重要性矩阵"))
    with tempfile.TemporaryDirectory(prefix="tutor-") as folder:
        target = str(Path(folder) / "imatrix.npz")
        # Other passages than those that perplexity is measured on.
        text = "\n\n".join(texts.sample("en", 400)[200:] + texts.sample("zh", 40))
        task = native.Imatrix(Loaded(str(known.path(FULL))), text, MATRIX_CHUNKS, target)
        native.call(task, int, model=known.name)
        yield target


def _refuse_unknown(types: Sequence[str]) -> None:
    for type_ in types:
        if type_ not in TYPES:
            close = nearest(type_, list(TYPES))
            raise TutorError(
                say(f"There is no type {type_!r}.", f"没有类型 {type_!r}。"),
                say(f"Nearest: {close}", f"最接近的：{close}"),
            )


def best(known: Report) -> str:
    """Return the type to answer with where none is named: of those that passed their gates, and
    else of all, the smallest that is not a LoRA."""
    ready = [f for f in known.files.values() if f.passed] or list(known.files.values())
    return min(ready, key=lambda file: (file.type == LORA, file.bytes)).type
