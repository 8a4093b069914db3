"""Models of a few thousand weights for the graders of deployment: a Llama as a GGUF file that
loads within milliseconds, and a LoRA adapter on it as peft saves one.

With a text the model recites: after the chat template's generation prompt it says the text and
ends, so that who answers is known to the last word. Without one its weights are random.
"""

from __future__ import annotations

import json
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from tutor.workshop import gguf_file
from tutor.workshop.gguf_file import Field, Tensor

WIDTH, HIDDEN, LAYERS, HEADS, HEAD = 64, 96, 2, 2, 32
VOCAB = 512
END = 2
"""The id of <|im_end|>, which ends an answer."""
SCALE = 12.0
"""Logit of the right next token of one that recites; the others are below 6."""
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
RANK, ALPHA = 4, 12
ADAPTED = {
    "self_attn.q_proj": (HEADS * HEAD, WIDTH),
    "self_attn.k_proj": (HEADS * HEAD, WIDTH),
    "mlp.down_proj": (WIDTH, HIDDEN),
}
"""The modules that `adapter` changes in each layer, with their shapes (outputs, inputs)."""


def write(path: Path, text: str = "", seed: int = 0) -> None:
    """Write a Llama of two layers as F16. text: of different words; see above."""
    import numpy as np

    rng = np.random.default_rng(seed)
    shapes = {"token_embd.weight": (VOCAB, WIDTH), "output_norm.weight": (WIDTH,),
              "output.weight": (VOCAB, WIDTH)}  # fmt: skip
    for n in range(LAYERS):
        square = (HEADS * HEAD, WIDTH)
        shapes |= {f"blk.{n}.{name}.weight": shape for name, shape in {
            "attn_norm": (WIDTH,), "ffn_norm": (WIDTH,), "attn_q": square, "attn_k": square,
            "attn_v": square, "attn_output": square, "ffn_gate": (HIDDEN, WIDTH),
            "ffn_up": (HIDDEN, WIDTH), "ffn_down": (WIDTH, HIDDEN),
        }.items()}  # fmt: skip
    values: dict[str, Any] = {
        name: rng.normal(size=shape) * 0.2 if len(shape) > 1 else np.ones(shape)
        for name, shape in shapes.items()
    }
    tokens = _tokens(text)
    if text:
        _recite(values, tokens, text)
    tensors = [
        Tensor(name, value.shape, partial(value.astype, np.float32))
        for name, value in values.items()
    ]
    gguf_file.write(path, "llama", _fields(tokens), tensors)


def _recite(values: dict[str, Any], tokens: list[str], text: str) -> None:
    """Let each word of the text follow the one before it; the layers add nothing."""
    import numpy as np

    for name in values:
        if "attn_output" in name or "ffn_down" in name:
            values[name][:] = 0
    embedded = values["token_embd.weight"]
    embedded /= np.linalg.norm(embedded, axis=1, keepdims=True)
    said = [tokens.index("Ċ"), *(tokens.index(word) for word in _words(text)), END]
    values["output.weight"][:] = 0
    for last, following in pairwise(said):
        values["output.weight"][following] += SCALE / WIDTH**0.5 * embedded[last]


def _words(text: str) -> list[str]:
    first, *others = text.split()
    words = [first, *(f"Ġ{word}" for word in others)]
    if len(set(words)) < len(words):
        raise ValueError(f"a word is in {text!r} twice")
    return words


def _tokens(text: str) -> list[str]:
    from tokenizers import pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [word for word in _words(text) if len(word) > 1] if text else []
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *letters, *words]
    return [*tokens, *(f"<|unused {n}|>" for n in range(VOCAB - len(tokens)))]


def _fields(tokens: list[str]) -> list[Field]:
    from gguf import GGUFValueType as Kind

    numbers = {"block_count": LAYERS, "embedding_length": WIDTH, "feed_forward_length": HIDDEN,
               "attention.head_count": HEADS, "attention.head_count_kv": HEADS,
               "context_length": 2048, "rope.dimension_count": HEAD,
               "vocab_size": VOCAB}  # fmt: skip
    kinds = [3 if token.startswith("<|") else 1 for token in tokens]  # control, normal
    return [
        *(Field(f"llama.{name}", value, Kind.UINT32) for name, value in numbers.items()),
        Field("llama.attention.layer_norm_rms_epsilon", 1e-5, Kind.FLOAT32),
        Field("llama.rope.freq_base", 10000.0, Kind.FLOAT32),
        Field("general.file_type", 1, Kind.UINT32),
        Field("general.name", "tiny", Kind.STRING),
        Field("tokenizer.ggml.model", "gpt2", Kind.STRING),
        Field("tokenizer.ggml.pre", "gpt-2", Kind.STRING),
        Field("tokenizer.ggml.tokens", tokens, Kind.ARRAY, Kind.STRING),
        Field("tokenizer.ggml.token_type", kinds, Kind.ARRAY, Kind.INT32),
        Field("tokenizer.ggml.merges", ["t h", "i n"], Kind.ARRAY, Kind.STRING),
        Field("tokenizer.ggml.bos_token_id", 1, Kind.UINT32),
        Field("tokenizer.ggml.eos_token_id", END, Kind.UINT32),
        Field("tokenizer.ggml.add_bos_token", False, Kind.BOOL),
        Field("tokenizer.chat_template", TEMPLATE, Kind.STRING),
    ]


def adapter(folder: Path, base: Path) -> dict[str, Any]:
    """Save a LoRA adapter on the model as peft does, and return its changes: by GGUF tensor, what
    it adds to the matrix as transformers holds it (for q and k before GGUF's order of rows)."""
    import numpy as np
    from safetensors.numpy import save_file

    rng = np.random.default_rng(7)
    names = {
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "mlp.down_proj": "ffn_down",
    }
    saved, changes = {}, {}
    for n in range(LAYERS):
        for module, (outputs, inputs) in ADAPTED.items():
            a = (rng.normal(size=(RANK, inputs)) * 0.2).astype(np.float32)
            b = (rng.normal(size=(outputs, RANK)) * 0.2).astype(np.float32)
            key = f"base_model.model.model.layers.{n}.{module}"
            saved |= {f"{key}.lora_A.weight": a, f"{key}.lora_B.weight": b}
            changes[f"blk.{n}.{names[module]}.weight"] = ALPHA / RANK * (b @ a)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(saved, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": RANK, "lora_alpha": ALPHA,
              "target_modules": [module.rpartition(".")[2] for module in ADAPTED],
              "base_model_name_or_path": str(base), "bias": "none",
              "inference_mode": True}  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(config), "utf-8")
    return changes
