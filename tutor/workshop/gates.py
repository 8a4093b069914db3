"""The conditions that a model must meet before it may answer, each with its figure and bound."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tutor.base import assets
from tutor.base.errors import TutorError, nearest
from tutor.base.i18n import say
from tutor.engine.process import find
from tutor.workshop import gguf_file, native, report, texts
from tutor.workshop.native import Loaded, Said
from tutor.workshop.quantize import measured
from tutor.workshop.report import ADAPTER, FULL, LORA, Gate, ModelFile, Report

SMALL = 5e8
"""Parameters below which a model loses more by quantization: its rows are shorter, its weights
fewer for what they hold."""
# The most that perplexity may rise over F16's: below SMALL, and from there on.
RISES = {
    FULL: (0.0, 0.0), "Q8_0": (0.01, 0.01), "Q6_K": (0.02, 0.015), "Q5_K_M": (0.05, 0.02),
    "Q5_K_S": (0.06, 0.025), "Q5_1": (0.06, 0.03), "Q5_0": (0.07, 0.03), "Q4_K_M": (0.12, 0.04),
    "Q4_K_S": (0.15, 0.05), "Q4_1": (0.18, 0.06), "Q4_0": (0.22, 0.08), "IQ4_NL": (0.15, 0.05),
    "IQ4_XS": (0.15, 0.05), "Q3_K_L": (0.35, 0.12), "Q3_K_M": (0.45, 0.15),
    "Q3_K_S": (0.8, 0.25), "Q2_K": (2.0, 0.5),
}  # fmt: skip
EXCUSED = 0.01
"""Share of the texts that llama.cpp may read otherwise than the source's tokenizer because it reads
the base's own file so: three of a thousand with Qwen2's. More is a fault of ours, whoever shares it."""
LOGITS = 0.01
"""Root mean square of the difference, in standard deviations of the logits. The 135M in F16 has
0.002 against transformers in float32; a permutation forgotten, 0.9."""
LOGITS_BFLOAT16 = 0.06
"""Where transformers itself computes in bfloat16, because float32 would not fit."""
LOGITS_LORA = 0.12
"""Where the base beside the LoRA is quantized, as llama.cpp computes with 8-bit activations."""
IMPRINT = 0.95
"""Of the change that the adapter makes. The 135M's F16 kept 1.00 (two adapters); a base that the
adapter never reached has 0."""
IMPRINT_QUANTIZED = 0.65
"""Of a quantized file. Perplexity does not tell: where a base was a Q4_1 file once, Q5_1 finds its
steps again and rounds an adapter, ten times smaller than they are, away. Of one adapter's change to
the weights 6% survived so, and perplexity fell; of its change to the logits Q5_K_M, which on rows
of 576 is Q5_1, kept 0.47 and forgot the phrase that was taught. Q4_K_M kept 0.80, Q8_0 1.02."""
PHRASE_TOKENS = 48
STEPS = 0.9
CITED = 0.15
"""One answer of six. Of the untouched 135M's, five were so over the whole index and two over the
lessons alone, there two or three of four files made from it; of a model's that writes nonsense,
none."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Behaviour:
    """How the tutor fared with a model on sample questions. valid_steps: share of its decisions,
    one a question, that were valid at once. cited: share of its answers of which a sentence that
    it wrote itself is held by a passage; the quotation below it does not count."""

    valid_steps: float
    cited: float
    questions: int


Trial = Callable[[str], Behaviour]
"""Lets the tutor answer the sample questions with a registered model."""


def prove(
    name: str, types: tuple[str, ...] = (), tell: Say = lambda _: None, trial: Trial | None = None
) -> Report:
    """Run the gates on a model's files and write down what they found.

    types: empty for all. trial: None leaves out the sample questions, and with them their gates.
    Raises TutorError for a type that the model has no file of, MissingError where the base or the
    knowledge base is not there.
    """
    known = report.load(name)
    _refuse_unknown(known, types)
    with tempfile.TemporaryDirectory(prefix="tutor-") as folder:
        tell(say("asking transformers what is right", "先用 transformers 得到标准结果"))
        reference = _Reference.of(known, Path(folder))
        for type_ in types or tuple(known.files):
            tell(say(f"gates of {type_}", f"{type_} 的各项关卡"))
            file = known.files[type_]
            if type_ not in (FULL, LORA) and file.quality is None and FULL in known.files:
                file = measured(known, file)
            gates = dict(_gates(known, file, reference, Path(folder), trial))
            file = replace(file, gates=gates)
            known = replace(known, files={**known.files, type_: file})
            report.save(known)
    return known


def _refuse_unknown(known: Report, types: tuple[str, ...]) -> None:
    for type_ in types:
        if type_ not in known.files:
            close = nearest(type_, list(known.files))
            raise TutorError(
                say(f"{known.name} has no file {type_!r}.", f"{known.name} 没有 {type_!r} 文件。"),
                say(f"Nearest: {close}", f"最接近的：{close}"),
            )


def _gates(
    known: Report, file: ModelFile, reference: _Reference, folder: Path, trial: Trial | None
) -> Iterator[tuple[str, Gate]]:
    path = known.folder / file.file
    wrong = gguf_file.problems(path)
    yield "file", most(len(wrong), 0, "; ".join(wrong[:3]))
    if wrong:
        return  # nothing below can be asked of a broken file
    located = find(f"{known.name}:{file.type}")
    model = Loaded(located.file, located.lora)
    yield "tokens", _tokens(model, reference)
    yield "template", _template(model, reference)
    full = model if file.type == LORA else Loaded(str(known.path(FULL)))
    logits = _logits(full, reference, folder / "full.npz")
    yield "logits", _close(logits, reference, file.type == LORA)
    if known.lineage.adapter_sha256:
        quantized = file.type not in (FULL, LORA)
        own = _logits(model, reference, folder / "own.npz") if quantized else logits
        yield "imprint", _imprint(own, reference, IMPRINT_QUANTIZED if quantized else IMPRINT)
    if known.lineage.taught:
        yield "phrase", _phrases(known, model)
    if file.type in RISES:
        yield "perplexity", _perplexity(known, file)
    if trial:
        fared = trial(located.name)
        note = say(f"{fared.questions} questions", f"{fared.questions} 个问题")
        yield "steps", least(fared.valid_steps, STEPS, note)
        yield "citations", least(fared.cited, CITED, note)


def least(figure: float, bound: float, note: str = "") -> Gate:
    return Gate(figure >= bound, round(float(figure), 6), bound, True, note)


def most(figure: float, bound: float, note: str = "") -> Gate:
    return Gate(figure <= bound, round(float(figure), 6), bound, False, note)


@dataclass(frozen=True)
class _Reference:
    """What transformers says, once for all files. logits: "adapted/N", "base/N"."""

    said: Said
    base: Path
    texts: list[str]
    logits: Any

    @classmethod
    def of(cls, known: Report, folder: Path) -> _Reference:
        import numpy as np

        adapter = known.folder / ADAPTER if known.lineage.adapter_sha256 else None
        base = _base_path(known)
        target = folder / "reference.npz"
        asked = texts.both_languages()
        task = native.Reference(
            str(base), str(adapter or ""), asked, list(texts.FIXED), str(target)
        )
        said = native.call(task, Said, model=known.name)
        return cls(said, base, asked, np.load(target))


def _base_path(known: Report) -> Path:
    base = known.lineage.base
    return assets.path(base) if base in assets.catalogue() else Path(base)


def _tokens(model: Loaded, reference: _Reference) -> Gate:
    ids = _ids(model, reference.texts)
    other = [n for n, own in enumerate(ids) if own != reference.said.ids[n]]
    # llama.cpp takes some words for end marks in any file, as Qwen2's </s>, which its tokenizer
    # cuts. A text that it reads so in the base's own file too says nothing against this one.
    asked = [reference.texts[n] for n in other]
    before = _ids(Loaded(str(reference.base)), asked) if reference.base.is_file() and asked else []
    as_before = [n for n, own in zip(other, before, strict=False) if own == ids[n]]
    excused = as_before if len(as_before) <= EXCUSED * len(ids) else []
    wrong = [n for n in other if n not in excused]
    note = ""
    if wrong:
        first = reference.texts[wrong[0]][:60]
        note = say(f"first text with other ids: {first!r}", f"首个 id 不同的文本：{first!r}")
    elif excused:
        note = say(
            f"{len(excused)} of them as llama.cpp reads the base's file",
            f"其中 {len(excused)} 条与 llama.cpp 读底座文件的结果一致",
        )
    return least(1 - len(wrong) / len(ids), 1.0, note)


def _ids(model: Loaded, asked: list[str]) -> list[list[int]]:
    return native.call(native.Tokenize(model, asked), list[list[int]], model=model.file)


def _template(model: Loaded, reference: _Reference) -> Gate:
    text = gguf_file.template(gguf_file.read(Path(model.file)))
    same = hashlib.sha256(text.encode()).hexdigest() == reference.said.template_sha256
    return least(float(same), 1.0, "" if text else say("it has none", "没有模板"))


def _logits(model: Loaded, reference: _Reference, target: Path) -> Any:
    import numpy as np

    task = native.Logits(model, reference.said.samples, str(target))
    native.call(task, int, model=model.file)
    return np.load(target)


def _close(own: Any, reference: _Reference, lora: bool) -> Gate:
    import numpy as np

    bound = LOGITS if reference.said.float32 else LOGITS_BFLOAT16
    bound = max(bound, LOGITS_LORA) if lora else bound
    worst = 0.0
    for row in range(len(reference.said.samples)):
        right = reference.logits[f"adapted/{row}"]
        difference = float(np.sqrt(np.square(own[str(row)] - right).mean()) / right.std())
        worst = max(worst, difference)
    return most(worst, bound)


def _imprint(own: Any, reference: _Reference, bound: float) -> Gate:
    """How much of what the adapter changes is in the file: its logits' difference from the base's,
    projected on the adapter's own. 1: all of it; 0: it answers as the base does."""
    import numpy as np

    along = whole = 0.0
    same = changed = 0
    for row in range(len(reference.said.samples)):
        taught, before = reference.logits[f"adapted/{row}"], reference.logits[f"base/{row}"]
        change, now = taught - before, own[str(row)]
        along += float((change * (now - before)).sum())
        whole += float(np.square(change).sum())
        moved = taught.argmax(1) != before.argmax(1)
        changed += int(moved.sum())
        same += int((moved & (now.argmax(1) == taught.argmax(1))).sum())
    if whole == 0:
        return least(0.0, bound, say("the adapter changes nothing", "适配器没有改变任何输出"))
    note = say(f"{same} of {changed} changed tokens", f"{changed} 个被改变的 token 中有 {same} 个")
    return least(along / whole, bound, note)


def _phrases(known: Report, model: Loaded) -> Gate:
    taught = known.lineage.taught
    task = native.Reply(model, [each.prompt for each in taught], PHRASE_TOKENS)
    replies = native.call(task, list[str], model=model.file)
    back = [each.phrase in said for each, said in zip(taught, replies, strict=True)]
    note = "" if all(back) else say(f"said: {replies[back.index(False)][:60]!r}",
                                    f"它说的是：{replies[back.index(False)][:60]!r}")  # fmt: skip
    return least(sum(back) / len(back), 1.0, note)


def _perplexity(known: Report, file: ModelFile) -> Gate:
    small, large = RISES[file.type]
    bound = small if known.parameters < SMALL else large
    return most(file.quality.rise if file.quality else 0.0, bound)
