"""What llama.cpp does for the workshop. Only ever imported in the child of tutor.workshop.native."""

from __future__ import annotations

import ctypes
import math
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import llama_cpp
import numpy as np
import psutil

from tutor.base.errors import TutorError
from tutor.base.i18n import say
from tutor.workshop import native
from tutor.workshop.report import Quality, Timing

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHUNK = 512
"""Tokens scored together; as llama.cpp's own perplexity tool does, the second half is counted, so
that every counted token has at least 256 before it."""


def do(task: native.Task) -> Any:
    """Do a task and return its reply. Raises TutorError for a file that cannot be loaded."""
    match task:
        case native.Quantize():
            return quantize(task)
        case native.Compare():
            return compare(task)
        case native.Speed():
            return speed(task)
        case native.Tokenize():
            return tokenize(task)
        case native.Logits():
            return logits(task)
        case native.Reply():
            return reply(task)
        case native.Imatrix():
            from tutor.workshop import imatrix

            return imatrix.collect(task)
    raise AssertionError(type(task))


def threads() -> int:
    return psutil.cpu_count(logical=False) or 1


def load(model: native.Loaded, **options: Any) -> llama_cpp.Llama:
    """Load a model to look at all of its logits."""
    settings: dict[str, Any] = {
        "n_ctx": CHUNK, "n_batch": CHUNK, "logits_all": True, "verbose": False,
        "n_threads": threads(), "n_threads_batch": threads(), "n_gpu_layers": -1,
        "lora_path": model.lora or None,
    } | options  # fmt: skip
    try:
        return llama_cpp.Llama(model.file, **settings)
    except (ValueError, RuntimeError) as error:
        raise TutorError(
            say(f"llama.cpp cannot load {model.file}: {error}",
                f"llama.cpp 无法加载 {model.file}：{error}"),
        ) from error  # fmt: skip


def quantize(task: native.Quantize) -> float:
    """Return the seconds that llama.cpp itself took."""
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = task.ftype
    parameters.nthread = threads()
    kept = _imatrix_data(task.imatrix) if task.imatrix else None
    if kept:
        parameters.imatrix = ctypes.cast(
            kept[0], ctypes.POINTER(llama_cpp.llama_model_imatrix_data)
        )
    began = time.perf_counter()
    status = llama_cpp.llama_model_quantize(
        task.source.encode(), task.target.encode(), ctypes.byref(parameters)
    )
    if status:
        raise TutorError(say(f"llama.cpp returned {status}", f"llama.cpp 返回 {status}"))
    return time.perf_counter() - began


def _imatrix_data(path: str) -> tuple[Any, list[Any]]:
    """Return llama.cpp's array of (name, floats, count), ended by an empty one, and what must stay
    alive for it."""
    found = dict(np.load(path))
    table = (llama_cpp.llama_model_imatrix_data * (len(found) + 1))()
    kept: list[Any] = []
    for row, (name, values) in zip(table, found.items(), strict=False):
        floats = np.ascontiguousarray(values, np.float32)
        kept.append((name.encode(), floats))
        row.name = kept[-1][0]
        row.data = floats.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        row.size = floats.size
    return table, kept


def chunks(llm: llama_cpp.Llama, text: str, most: int) -> Iterator[list[int]]:
    """Yield the text's tokens in whole chunks.

    Raises TutorError where the text has not one.
    """
    ids = llm.tokenize(text.encode(), add_bos=False)
    if len(ids) < CHUNK:
        raise TutorError(
            say(f"{len(ids)} tokens of text are too few to measure with.",
                f"只有 {len(ids)} 个 token 的文本，不足以测量。"),
            say("Run: tutor kb sync", "请运行：tutor kb sync"),
        )  # fmt: skip
    for start in range(0, min(len(ids) - CHUNK + 1, most * CHUNK), CHUNK):
        yield ids[start : start + CHUNK]


def evaluate(llm: llama_cpp.Llama, ids: list[int]) -> NDArray[Any]:
    """Return the logits at every position: (tokens, vocabulary), valid until the next call."""
    llm.reset()
    llm.eval(ids)
    return llm.scores[: len(ids)]


def compare(task: native.Compare) -> Quality:
    """Return perplexity, its rise over the reference's, and the mean KL divergence from it."""
    model, reference = load(task.model), load(task.reference)
    own = theirs = divergence = 0.0
    same = counted = 0
    for ids in chunks(model, task.text, task.chunks):
        half = slice(CHUNK // 2, CHUNK - 1)
        targets = np.array(ids[CHUNK // 2 + 1 :])
        p = log_softmax(evaluate(reference, ids)[half])
        q = log_softmax(evaluate(model, ids)[half])
        rows = np.arange(len(targets))
        theirs -= float(p[rows, targets].sum())
        own -= float(q[rows, targets].sum())
        divergence += float((np.exp(p) * (p - q)).sum())
        same += int((p.argmax(1) == q.argmax(1)).sum())
        counted += len(targets)
    return Quality(
        perplexity=math.exp(own / counted),
        reference_perplexity=math.exp(theirs / counted),
        kl_divergence=max(0.0, divergence / counted),
        same_top_token=same / counted,
        tokens=counted,
    )


def log_softmax(logits: NDArray[Any]) -> NDArray[Any]:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def speed(task: native.Speed) -> Timing:
    """Return tokens a second, of the prompt and generated, after a first round that is not
    counted."""
    llm = load(task.model, logits_all=False, n_ctx=task.prompt_tokens + task.new_tokens + 8)
    ids = llm.tokenize(("The learner reads and writes. " * task.prompt_tokens).encode(), False)
    prompt = ids[: task.prompt_tokens]
    llm.eval(prompt[:32])
    llm.reset()
    began = time.perf_counter()
    llm.eval(prompt)
    read = time.perf_counter()
    for _ in range(task.new_tokens):
        llm.eval([llm.sample(temp=0.0)])
    ended = time.perf_counter()
    return Timing(
        prompt_tokens_per_s=len(prompt) / (read - began),
        new_tokens_per_s=task.new_tokens / (ended - read),
    )


def tokenize(task: native.Tokenize) -> list[list[int]]:
    llm = load(task.model, vocab_only=True, lora_path=None)
    return [llm.tokenize(text.encode(), add_bos=False, special=True) for text in task.texts]


def logits(task: native.Logits) -> int:
    """Write the logits; return how many positions there are."""
    llm = load(task.model)
    found: dict[str, Any] = {str(n): evaluate(llm, row).copy() for n, row in enumerate(task.rows)}
    np.savez(task.target, **found)
    return sum(len(row) for row in task.rows)


def reply(task: native.Reply) -> list[str]:
    llm = load(task.model, logits_all=False, n_ctx=2048)
    return [
        llm.create_chat_completion(  # type: ignore[index, misc]
            [{"role": "user", "content": prompt}], temperature=0.0, max_tokens=task.max_tokens
        )["choices"][0]["message"]["content"]
        or ""
        for prompt in task.prompts
    ]
