# Another style: block by block with struct, one row at a time; perplexity with torch's cross-entropy
# and a fresh context for each chunk; the workshop's reader and child process for files.

# %%
import struct
from collections import namedtuple

import numpy as np

from tutor.base.errors import TutorError
from tutor.workshop import gguf_file, native

Row = namedtuple("Row", "type megabytes bits_per_weight perplexity rise")
FTYPES = {"F16": 1, "Q4_0": 2, "Q8_0": 7}


# %%
def _rows(x, make):
    out = []
    for row in x:
        data = b"".join(make(row[i : i + 32].astype(np.float32)) for i in range(0, len(row), 32))
        out.append(np.frombuffer(data, dtype=np.uint8))
    return np.stack(out)


def _away(value):
    magnitude = np.floor(abs(value))
    return np.copysign(magnitude + (2 * (abs(value) - magnitude) >= 1), value)


def _q8(block):
    d = np.abs(block).max() / np.float32(127)
    inverse = np.float32(1) / d if d else np.float32(0)
    return struct.pack("<e32b", d, *(int(_away(v * inverse)) for v in block))


def quantize_q8_0(x):
    return _rows(x, _q8)


def dequantize_q8_0(data):
    out = []
    for row in data:
        weights = []
        for d, *q in struct.iter_unpack("<e32b", row.tobytes()):
            weights += [np.float32(d) * np.float32(v) for v in q]
        out.append(weights)
    return np.array(out, dtype=np.float32)


def _q4(block):
    largest = max(block, key=abs)
    d = largest / np.float32(-8)
    inverse = np.float32(1) / d if d else np.float32(0)
    codes = [min(15, int(v * inverse + np.float32(8.5))) for v in block]
    return struct.pack("<e16B", d, *(codes[i] + 16 * codes[i + 16] for i in range(16)))


def quantize_q4_0(x):
    return _rows(x, _q4)


def dequantize_q4_0(data):
    out = []
    for row in data:
        weights = []
        for d, *q in struct.iter_unpack("<e16B", row.tobytes()):
            codes = [byte % 16 for byte in q] + [byte // 16 for byte in q]
            weights += [np.float32(d) * np.float32(code - 8) for code in codes]
        out.append(weights)
    return np.array(out, dtype=np.float32)


# %%
def quantize_file(source, target, ftype):
    part = target.with_suffix(".part")
    try:
        native.call(native.Quantize(str(source), str(part), FTYPES[ftype]), float)
    except TutorError as error:
        part.unlink(missing_ok=True)
        raise ValueError(str(error)) from error
    part.rename(target)


def bits_per_weight(file):
    tensors = gguf_file.read(file).tensors
    weights = sum(int(np.prod(t.shape)) for t in tensors)
    return sum(t.data.nbytes for t in tensors) * 8.0 / weights


def perplexity(file, text, chunk=256):
    import torch
    from llama_cpp import Llama

    def load():
        return Llama(str(file), n_ctx=chunk + 8, n_batch=chunk, logits_all=True, verbose=False)

    ids = load().tokenize(text.encode("utf-8"), add_bos=False)
    losses = []
    for n in range(len(ids) // chunk):
        llm, part = load(), ids[n * chunk : (n + 1) * chunk]
        llm.eval(part)
        logits = torch.tensor(llm.scores[: chunk - 1])
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor(part[1:]), reduction="none")
        losses.append(loss[chunk // 2 :])
    return float(torch.cat(losses).mean().exp())


# %%
def table(source, folder, types, text, chunk=256):
    files = {"F16": source} | {name: folder / f"{name}.gguf" for name in types}
    for name in types:
        quantize_file(source, files[name], name)
    scores = {name: perplexity(file, text, chunk) for name, file in files.items()}
    return [
        Row(name, file.stat().st_size / 10**6, bits_per_weight(file), scores[name],
            (scores[name] - scores["F16"]) / scores["F16"])
        for name, file in files.items()
    ]  # fmt: skip
