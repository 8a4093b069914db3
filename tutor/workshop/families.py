"""The model families that can be exported: which tensors they have, and how names and layouts
differ between Hugging Face's files and GGUF.

A tensor here has numpy's shape (rows, columns) = (outputs, inputs), as GGUF's data lies in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NORMS_AND_MLP = ("attn_norm.weight", "ffn_norm.weight", "ffn_gate.weight", "ffn_up.weight",
                  "ffn_down.weight")  # fmt: skip
_QKV = ("attn_q.weight", "attn_k.weight", "attn_v.weight", "attn_output.weight")
_LLAMA_BLOCK = _NORMS_AND_MLP + _QKV
_LLAMA_TOP = ("token_embd.weight", "output_norm.weight")


@dataclass(frozen=True)
class Family:
    """arch: GGUF's name for it. top, block: the tensors that it cannot be without."""

    arch: str
    top: tuple[str, ...]
    block: tuple[str, ...]
    permuted: bool = False
    """Query and key rows are reordered: llama.cpp rotates neighbours, transformers the halves."""
    transposed: tuple[str, ...] = ()
    """Hugging Face module endings whose weights are stored (inputs, outputs): GPT-2's Conv1D."""


FAMILIES = {
    family.arch: family
    for family in (
        Family("llama", _LLAMA_TOP, _LLAMA_BLOCK, permuted=True),
        Family(
            "qwen2",
            _LLAMA_TOP,
            (*_LLAMA_BLOCK, "attn_q.bias", "attn_k.bias", "attn_v.bias"),
        ),
        Family("qwen3", _LLAMA_TOP, (*_LLAMA_BLOCK, "attn_q_norm.weight", "attn_k_norm.weight")),
        Family(
            "gpt2",
            ("token_embd.weight", "position_embd.weight", "output_norm.weight", "output_norm.bias"),
            tuple(
                f"{name}.{part}"
                for name in ("attn_norm", "attn_qkv", "attn_output", "ffn_norm", "ffn_up",
                             "ffn_down")
                for part in ("weight", "bias")
            ),
            transposed=("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"),
        ),
    )
}  # fmt: skip

# transformers' model_type: GGUF's architecture. SmolLM and SmolLM2 are llama.
ARCHITECTURES = {"llama": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "gpt2": "gpt2"}


def required(arch: str, blocks: int) -> Iterator[str]:
    """Yield the names of the tensors that a model of a known family must have."""
    if family := FAMILIES.get(arch):
        yield from family.top
        for block in range(blocks):
            yield from (f"blk.{block}.{name}" for name in family.block)


def gguf_names(arch: str, blocks: int) -> Any:
    """Return the gguf library's map from Hugging Face names to GGUF's."""
    import gguf

    number = next(n for n, name in gguf.MODEL_ARCH_NAMES.items() if name == arch)
    return gguf.get_tensor_name_map(number, blocks)


def permute(rows: NDArray[Any], heads: int) -> NDArray[Any]:
    """Reorder the output rows of a query or key matrix from transformers' order to llama.cpp's.

    Each head's first half and second half (rotated against each other in transformers) are
    interleaved. rows: (outputs, …).
    """
    halves = rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:])
    return halves.swapaxes(1, 2).reshape(rows.shape)


def heads_to_permute(name: str, arch: str, metadata: Mapping[str, Any]) -> int:
    """Return how many heads to permute a tensor's output rows by; 0: they stay as they are."""
    family = FAMILIES.get(arch)
    if family is None or not family.permuted:
        return 0
    heads = int(metadata[f"{arch}.attention.head_count"])
    if ".attn_q." in name:
        return heads
    if ".attn_k." in name:
        return int(metadata.get(f"{arch}.attention.head_count_kv", heads))
    return 0
