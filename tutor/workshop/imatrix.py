"""The importance matrix: the mean square of what each matrix is multiplied with, by column.

llama.cpp calls back around every step of a decode (`cb_eval`); at a matrix product its second
operand are the inputs. The binding hands that callback on but not the tensor's layout, so the
part of ggml_tensor that is needed stands here, and is proven against ggml's own accessor before
anything is read through it. Only ever imported in the child of tutor.workshop.native.
"""

from __future__ import annotations

import ctypes
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import llama_cpp
import numpy as np
from llama_cpp._ctypes_extensions import load_shared_library

from tutor.base.errors import TutorError
from tutor.base.i18n import say
from tutor.workshop import llama, native

if TYPE_CHECKING:
    from numpy.typing import NDArray

FLOAT32 = 0  # GGML_TYPE_F32


class _Tensor(ctypes.Structure):
    """ggml_tensor as of ggml 0.9 to 0.25 (ggml.h)."""


_Tensor._fields_ = [
    ("type", ctypes.c_int),
    ("buffer", ctypes.c_void_p),
    ("ne", ctypes.c_int64 * 4),
    ("nb", ctypes.c_size_t * 4),
    ("op", ctypes.c_int),
    ("op_params", ctypes.c_int32 * 16),
    ("flags", ctypes.c_int32),
    ("src", ctypes.POINTER(_Tensor) * 10),
    ("view_src", ctypes.c_void_p),
    ("view_offs", ctypes.c_size_t),
    ("data", ctypes.c_void_p),
    ("name", ctypes.c_char * 64),
]


class Collector:
    """Adds up the squares of every matrix's inputs while a model reads."""

    def __init__(self) -> None:
        self.sums: dict[str, NDArray[Any]] = {}
        self.counts: dict[str, int] = defaultdict(int)
        self.wrong = ""
        folder = Path(llama_cpp.__file__).parent / "lib"
        base = load_shared_library("ggml-base", folder)
        self.op_name = base.ggml_op_name
        self.op_name.argtypes, self.op_name.restype = [ctypes.c_int], ctypes.c_char_p
        self.get_name = base.ggml_get_name
        self.get_name.argtypes, self.get_name.restype = [ctypes.c_void_p], ctypes.c_void_p
        self.get = base.ggml_backend_tensor_get
        self.get.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t]
        self.callback = llama_cpp.llama_cpp.ggml_backend_sched_eval_callback(self._step)

    def _step(self, address: int, ask: bool, _: Any) -> bool:
        """Told of every step twice: whether its result is wanted, and when that is there."""
        if self.get_name(address) != address + _Tensor.name.offset:
            self.wrong = self.wrong or "ggml_tensor"
            return not ask
        tensor = _Tensor.from_address(address)
        if self.op_name(tensor.op) != b"MUL_MAT":
            return not ask
        weights, inputs = tensor.src[0].contents, tensor.src[1].contents
        name = weights.name.decode()
        wanted = name.endswith(".weight") and inputs.type == FLOAT32
        if ask:
            return wanted
        if wanted:
            self._add(name, inputs)
        return True

    def _add(self, name: str, inputs: _Tensor) -> None:
        columns = int(inputs.ne[0])
        rows = int(inputs.ne[1] * inputs.ne[2] * inputs.ne[3])
        if inputs.nb[1] != 4 * columns:
            self.wrong = self.wrong or name  # rows with gaps: not seen in these families
            return
        values = np.empty((rows, columns), np.float32)
        self.get(ctypes.addressof(inputs), values.ctypes.data, 0, values.nbytes)
        squares = np.square(values).sum(axis=0, dtype=np.float64)
        self.sums[name] = self.sums.get(name, 0.0) + squares
        self.counts[name] += rows

    def means(self) -> dict[str, NDArray[Any]]:
        return {
            name: (total / self.counts[name]).astype(np.float32)
            for name, total in self.sums.items()
        }


def collect(task: native.Imatrix) -> int:
    """Read the text and write the matrix; return of how many tensors.

    Raises TutorError where this build of ggml lays its tensors out otherwise.
    """
    collector = Collector()
    llm = _listening(task.model, collector)
    for ids in llama.chunks(llm, task.text, task.chunks):
        llm.reset()
        llm.eval(ids)
    if collector.wrong or not collector.sums:
        raise TutorError(
            say(
                "This build of llama.cpp does not let the importance matrix be measured "
                f"({collector.wrong or 'no matrix product seen'}).",
                f"当前的 llama.cpp 版本无法测量重要性矩阵（{collector.wrong or '没有矩阵乘法'}）。",
            ),
            say("Quantize without it: --no-imatrix", "量化时请加 --no-imatrix"),
        )
    np.savez(task.target, **collector.means())  # type: ignore[arg-type]
    return len(collector.sums)


def _listening(model: native.Loaded, collector: Collector) -> llama_cpp.Llama:
    """Load a model whose context calls back at every step.

    The binding's class takes no callback, so its context is made again with one.
    """
    llm = llama.load(model, logits_all=False)
    llm.context_params.cb_eval = collector.callback
    old = llm._ctx
    llm._ctx = llm._stack.enter_context(
        _closing(
            llama_cpp._internals.LlamaContext(
                model=llm._model, params=llm.context_params, verbose=False
            )
        )
    )
    old.close()
    return llm


def _closing(context: Any) -> Any:
    from contextlib import closing

    return closing(context)
