"""Criteria of deployment/quantize_gguf: bytes against the gguf library; files of a small random
model that is made here, measured again by the grader."""

from __future__ import annotations

import ctypes
import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type
from gguf import GGUFReader, quants
from gguf import GGUFValueType as Kind
from tokenizers import pre_tokenizers

from exercises.deployment.measured import perplexity
from exercises.gap import call
from tutor.base.i18n import say
from tutor.workshop import gguf_file
from tutor.workshop.gguf_file import Field, Tensor

VOCAB, WIDTH, HIDDEN, LAYERS, HEAD = 1024, 128, 256, 2, 64
"""Of the model made here: 0.4 million weights."""


def samples():
    """Arrays (name, values): random ones, and those in which a detail decides."""
    rng = np.random.default_rng(5)
    yield "random numbers", rng.normal(size=(6, 128)).astype(np.float32)
    yield "one row of small numbers", rng.normal(size=(1, 32)).astype(np.float32) * 1e-3
    outlier = rng.normal(size=(3, 64)).astype(np.float32)
    outlier[:, 7] = [40, -40, 8]
    yield "an outlier in each row", outlier
    zeros = rng.normal(size=(2, 96)).astype(np.float32)
    zeros[0, 32:64] = 0
    yield "a block of zeros", zeros
    halves = (np.arange(-16, 16, dtype=np.float32) + 0.5)[None].repeat(2, 0)
    halves[:, 0] = 127
    yield "values half way between two codes", halves
    ends = np.tile(np.array([8, -8, 7.5, -7.5, 0.5, -0.5, 3, -3], np.float32), (1, 4))
    yield "8 and -8 in one block", ends


def same_bytes(submission, criterion, kind, function, size, figures):
    for name, x in samples():
        got = np.asarray(call(criterion, function, x.copy()))
        wanted = quants.quantize(x, kind)
        assert got.shape == wanted.shape and got.dtype == np.uint8, say(
            f"{x.shape} float32 becomes {got.shape} {got.dtype}; it is {wanted.shape} uint8",
            f"{x.shape} float32 变成了 {got.shape} {got.dtype}；应为 {wanted.shape} uint8",
        )
        other = (got != wanted).reshape(-1, size)
        figures["bytes_that_differ"] = int(other.sum())
        block, byte = (int(n) for n in np.argwhere(other)[0]) if other.any() else (0, 0)
        assert not other.any(), say(
            f"{name}: {other.sum()} of {other.size} bytes differ from gguf's; the first is byte "
            f"{byte} of block {block} ({got.reshape(-1, size)[block, byte]}, not "
            f"{wanted.reshape(-1, size)[block, byte]}; bytes 0 and 1 are the scale)",
            f"{name}：{other.size} 个字节中有 {other.sum()} 个与 gguf 的不同；首个是第 {block} 块的第 {byte} "
            f"字节（{got.reshape(-1, size)[block, byte]}，应为 {wanted.reshape(-1, size)[block, byte]}；"
            "字节 0、1 是系数）",
        )


def test_q8_0(submission, figures):
    same_bytes(submission, "q8_0", Type.Q8_0, submission.quantize_q8_0, 34, figures)


def test_q4_0(submission, figures):
    same_bytes(submission, "q4_0", Type.Q4_0, submission.quantize_q4_0, 18, figures)


def test_dequantize(submission, figures):
    for kind, function in ((Type.Q8_0, submission.dequantize_q8_0),
                           (Type.Q4_0, submission.dequantize_q4_0)):  # fmt: skip
        for name, x in samples():
            data = quants.quantize(x, kind)
            got = np.asarray(call("dequantize", function, data.copy()))
            wanted = quants.dequantize(data, kind)
            assert got.shape == wanted.shape, say(
                f"{kind.name}: {data.shape} bytes become {got.shape} weights, not {wanted.shape}",
                f"{kind.name}：{data.shape} 字节还原成 {got.shape} 个权重，应为 {wanted.shape}",
            )
            figures["difference"] = float(np.abs(got - wanted).max())
            assert figures["difference"] < 1e-6 * (1 + np.abs(wanted).max()), say(
                f"{kind.name}, {name}: the weights differ by up to {figures['difference']:.3g} "
                "from gguf's",
                f"{kind.name}，{name}：还原出的权重与 gguf 的最多相差 {figures['difference']:.3g}",
            )


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A Llama of two layers with random weights and a tokenizer of bytes, as F16."""
    folder = tmp_path_factory.mktemp("models")
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = ["<|endoftext|>", *letters, "th", "in", "the"]
    tokens += [f"<|unused {n}|>" for n in range(VOCAB - len(tokens))]
    kinds = [3 if token.startswith("<|") else 1 for token in tokens]  # control, normal
    numbers = {"block_count": LAYERS, "embedding_length": WIDTH, "feed_forward_length": HIDDEN,
               "attention.head_count": WIDTH // HEAD, "attention.head_count_kv": 1,
               "context_length": 512, "rope.dimension_count": HEAD, "vocab_size": VOCAB}  # fmt: skip
    fields = [Field(f"llama.{name}", value, Kind.UINT32) for name, value in numbers.items()]
    fields += [
        Field("llama.attention.layer_norm_rms_epsilon", 1e-5, Kind.FLOAT32),
        Field("general.file_type", 1, Kind.UINT32),
        Field("tokenizer.ggml.model", "gpt2", Kind.STRING),
        Field("tokenizer.ggml.pre", "gpt-2", Kind.STRING),
        Field("tokenizer.ggml.tokens", tokens, Kind.ARRAY, Kind.STRING),
        Field("tokenizer.ggml.token_type", kinds, Kind.ARRAY, Kind.INT32),
        Field("tokenizer.ggml.merges", ["t h", "i n", "th e"], Kind.ARRAY, Kind.STRING),
        Field("tokenizer.ggml.bos_token_id", 0, Kind.UINT32),
        Field("tokenizer.ggml.eos_token_id", 0, Kind.UINT32),
    ]
    rng = np.random.default_rng(1)
    shapes = {"token_embd.weight": (VOCAB, WIDTH), "output_norm.weight": (WIDTH,)}
    for n in range(LAYERS):
        shapes |= {f"blk.{n}.{name}.weight": shape for name, shape in {
            "attn_norm": (WIDTH,), "ffn_norm": (WIDTH,), "attn_q": (WIDTH, WIDTH),
            "attn_k": (HEAD, WIDTH), "attn_v": (HEAD, WIDTH), "attn_output": (WIDTH, WIDTH),
            "ffn_gate": (HIDDEN, WIDTH), "ffn_up": (HIDDEN, WIDTH), "ffn_down": (WIDTH, HIDDEN),
        }.items()}  # fmt: skip
    tensors = []
    for name, shape in shapes.items():
        scale = 0.12 if name.startswith("token") else 0.4
        values = rng.normal(size=shape) * scale if len(shape) > 1 else np.ones(shape)
        tensors.append(Tensor(name, shape, partial(values.astype, np.float32)))
    gguf_file.write(folder / "F16.gguf", "llama", fields, tensors)
    return folder / "F16.gguf"


def native(source: Path, target: Path, ftype: int):
    """The grader's own quantization."""
    import llama_cpp

    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = ftype
    status = llama_cpp.llama_model_quantize(
        str(source).encode(), str(target).encode(), ctypes.byref(parameters)
    )
    assert status == 0
    return target


def types_in(file):
    return {t.tensor_type.name for t in GGUFReader(file).tensors if len(t.shape) > 1}


def test_file(submission, source, tmp_path):
    for ftype in ("Q8_0", "Q4_0"):
        target = tmp_path / f"{ftype}.gguf"
        call("file", submission.quantize_file, source, target, ftype)
        assert target.exists(), say(f"{ftype}: no file was written", f"{ftype}：没有写出文件")
        found = types_in(target)
        assert ftype in found, say(
            f"the file made as {ftype} holds tensors of {sorted(found)}",
            f"要求 {ftype}，文件里的张量类型却是 {sorted(found)}",
        )
    again = tmp_path / "again.gguf"
    try:
        submission.quantize_file(tmp_path / "Q8_0.gguf", again, "Q4_0")
    except ValueError:
        pass
    else:
        wrote = say(f"wrote {types_in(again)}", f"写出了 {types_in(again)}") if again.exists() else say(
            "said nothing and wrote nothing", "什么都没说，也没写出文件")  # fmt: skip
        pytest.fail(say(f"asked to make Q4_0 out of a Q8_0 file, quantize_file {wrote}; it should "
                        "raise ValueError",
                        f"要求由 Q8_0 文件再生成 Q4_0，quantize_file {wrote}；应抛出 ValueError"))  # fmt: skip
    assert not again.exists(), say(
        f"after the refusal a file of {again.stat().st_size if again.exists() else 0} bytes is left",
        f"拒绝之后还留下一个 {again.stat().st_size if again.exists() else 0} 字节的文件",
    )


def bits_of(file):
    tensors = GGUFReader(file).tensors
    return (
        8
        * sum(int(t.n_bytes) for t in tensors)
        / sum(math.prod(map(int, t.shape)) for t in tensors)
    )


def test_bits(submission, source, tmp_path, figures):
    for file in (
        source,
        native(source, tmp_path / "q8.gguf", 7),
        native(source, tmp_path / "q4.gguf", 2),
    ):
        got, wanted = call("bits", submission.bits_per_weight, file), bits_of(file)
        figures["bits"] = got
        whole = (
            8
            * file.stat().st_size
            * wanted
            / 8
            / sum(int(t.n_bytes) for t in GGUFReader(file).tensors)
        )
        note = (
            say("; that counts the metadata", "；这把元数据也算进去了")
            if abs(got - whole) < 1e-3
            else ""
        )
        assert abs(got - wanted) < 1e-3, say(
            f"{file.name} ({file.stat().st_size} bytes): {got:.4f} bits a weight; its tensors make "
            f"{wanted:.4f}{note}",
            f"{file.name}（{file.stat().st_size} 字节）：得到每权重 {got:.4f} 位；按张量应为 {wanted:.4f}{note}",
        )


TEXT = "\n".join(
    f"{n}: the tokenizer splits text, and the model reads {n * n} pieces." for n in range(20)
)


def test_perplexity(submission, source, tmp_path, figures):
    for file, chunk in ((source, 64), (native(source, tmp_path / "q4.gguf", 2), 48)):
        got = call("perplexity", submission.perplexity, file, TEXT, chunk)
        wanted = perplexity(file, TEXT, chunk)
        figures |= {"got": got, "expected": wanted}
        assert math.isclose(got, wanted, rel_tol=1e-3), say(
            f"{file.name} in chunks of {chunk}: perplexity {got:.1f}; the grader measures "
            f"{wanted:.1f} (a random model: large numbers are right)",
            f"{file.name}，每块 {chunk} 个 token：困惑度 {got:.1f}；评分程序测得 {wanted:.1f}"
            "（随机模型，数值大是正常的）",
        )


def test_table(submission, source, tmp_path, figures):
    types = ["Q4_0", "Q8_0"]
    rows = call("table", submission.table, source, tmp_path, types, TEXT, 64)
    names = [row.type for row in rows]
    assert names == ["F16", *types], say(
        f"the rows are {names}, not {['F16', *types]}", f"各行是 {names}，应为 {['F16', *types]}"
    )
    reference = perplexity(source, TEXT, 64)
    for row in rows:
        file = source if row.type == "F16" else tmp_path / f"{row.type}.gguf"
        assert file.exists(), say(f"there is no {file.name}", f"没有 {file.name}")
        found = perplexity(file, TEXT, 64)
        wanted = {"megabytes": file.stat().st_size / 1e6, "bits_per_weight": bits_of(file),
                  "perplexity": found, "rise": found / reference - 1}  # fmt: skip
        for name, value in wanted.items():
            got = getattr(row, name)
            figures[f"{row.type}_{name}"] = got
            assert math.isclose(got, value, rel_tol=5e-3, abs_tol=5e-3), say(
                f"{row.type}: {name} is {got:.5g}; the grader measures {value:.5g}",
                f"{row.type}：{name} 为 {got:.5g}；评分程序测得 {value:.5g}",
            )
