"""What the graders of deployment measure of a model's file by themselves: its tensors, how near its
logits are to those of base and adapter in transformers, its perplexity."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from exercises import lab
from tutor.base.i18n import say

TEXTS = (
    "LoRA freezes the pretrained weights and learns two small matrices for each layer.",
    "Answer the question from the numbered passages.\n\n[1] The rank of the update.\n\nQuestion:",
)
"""On which logits are compared."""


def matrices(path: Path) -> dict[str, np.ndarray]:
    from tutor.workshop import gguf_file

    return {t.name: gguf_file.dequantized(t).reshape([int(n) for n in reversed(t.shape)])
            for t in gguf_file.read(path).tensors}  # fmt: skip


def same_reader(source: Path, target: Path) -> None:
    """Tokenizer and chat template are those of the base."""
    from tutor.workshop import gguf_file

    wanted, got = ({f.key: f.value for f in gguf_file.fields(gguf_file.read(path))
                    if f.key.startswith("tokenizer.")} for path in (source, target))  # fmt: skip
    other = [key for key, value in wanted.items() if got.get(key) != value]
    assert not other, say(
        f"{target.name}: {len(other)} of {len(wanted)} tokenizer fields are not the base's: "
        f"{', '.join(other[:3])}",
        f"{target.name}：{len(wanted)} 个分词器字段中有 {len(other)} 个与底座不同："
        f"{', '.join(other[:3])}",
    )


@cache
def reference(adapter: Path) -> tuple[list[list[int]], list[Any], list[Any]]:
    """Return (token ids, logits of base and adapter, logits of the base), by transformers."""
    import torch

    from exercises.week5 import proof

    model, tokenizer = proof.adapted(adapter), lab.load_base()[1]
    model.eval().float()
    rows = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS]
    with torch.no_grad():
        taught = [model(torch.tensor([row])).logits[0].numpy() for row in rows]
        with model.disable_adapter():
            before = [model(torch.tensor([row])).logits[0].numpy() for row in rows]
    return rows, taught, before


@dataclass(frozen=True)
class Found:
    """distance: from base and adapter, in standard deviations. imprint: the share of the adapter's
    change that is in the file."""

    distance: float
    imprint: float


def logits(file: Path, expected: tuple[list[list[int]], list[Any], list[Any]]) -> Found:
    import llama_cpp

    llm = llama_cpp.Llama(str(file), n_ctx=128, logits_all=True, verbose=False, n_gpu_layers=0)
    worst = along = whole = 0.0
    for row, taught, before in zip(*expected, strict=True):
        llm.reset()
        llm.eval(row)
        own = llm.scores[: len(row)]
        worst = max(worst, float(np.sqrt(np.square(own - taught).mean()) / taught.std()))
        along += float(((taught - before) * (own - before)).sum())
        whole += float(np.square(taught - before).sum())
    llm.close()
    return Found(worst, along / whole)


@cache
def perplexity(file: Path, text: str, chunk: int = 512) -> float:
    """The grader's own, in chunks of so many tokens of which the second half is counted."""
    import llama_cpp

    llm = llama_cpp.Llama(str(file), n_ctx=chunk, n_batch=chunk, logits_all=True, verbose=False,
                          n_gpu_layers=0)  # fmt: skip
    ids = llm.tokenize(text.encode(), add_bos=False)
    half, losses = chunk // 2, list[float]()
    for start in range(0, len(ids) - chunk + 1, chunk):
        part = ids[start : start + chunk]
        llm.reset()
        llm.eval(part)
        rows, said = llm.scores[half : chunk - 1].astype(np.float64), part[half + 1 :]
        top = rows.max(axis=1)
        rest = np.log(np.exp(rows - top[:, None]).sum(axis=1)) + top
        losses += (rest - rows[np.arange(len(said)), said]).tolist()
    llm.close()
    return math.exp(sum(losses) / len(losses))


def same_quality(got: dict[str, Any], mine: list[float], what: str, close: float = 5e-5) -> None:
    """The learner's figures are the grader's. mine: perplexities (F16, quantized). close: of the
    perplexities' relative difference, and in effect of the rise's absolute one."""
    rise = mine[1] / mine[0] - 1
    for name, value in (("reference_perplexity", mine[0]), ("perplexity", mine[1]), ("rise", rise)):
        yours = got.get(name)
        right = isinstance(yours, int | float)
        most = 2 * close if name == "rise" else close * value
        shown = f"{yours:.6g}" if right else yours
        assert right and abs(yours - value) <= most, say(
            f"{what}: {name} is {shown}; the grader measures {value:.6g} (F16 {mine[0]:.6g}, "
            f"quantized {mine[1]:.6g})",
            f"{what}：{name} 为 {shown}；评分程序测得 {value:.6g}（F16 {mine[0]:.6g}，量化后 "
            f"{mine[1]:.6g}）",
        )
