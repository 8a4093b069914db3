"""A Hugging Face folder as GGUF metadata: shape, tokenizer, chat template.

For the families whose conversion is proven by tests (llama, SmolLM, Qwen2, Qwen3, GPT-2) with
byte-level BPE tokenizers. Whatever is not known here is refused, not guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tutor.base.errors import TutorError
from tutor.base.i18n import say
from tutor.workshop.families import ARCHITECTURES, Family
from tutor.workshop.gguf_file import TEMPLATE, TOKENS, Field

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
_IGNORED = re.compile(r".*(\.attn\.(masked_)?bias|rotary_emb\.inv_freq)")

# How the text is cut before BPE: the pattern in tokenizer.json, and llama.cpp's name for it.
_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_SPLITS = {f"{_WORDS}\\p{{N}}{_REST}": "qwen2", f"{_WORDS}\\p{{N}}{{1,3}}{_REST}": "llama-bpe"}

NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5


def read_config(folder: Path) -> dict[str, Any]:
    """Return config.json. Raises TutorError where there is none that can be read."""
    return _json(folder / CONFIG)


def architecture(config: Mapping[str, Any]) -> str:
    """Return GGUF's name of the family. Raises TutorError for one that is not known."""
    kind = str(config.get("model_type"))
    if kind not in ARCHITECTURES:
        raise _unknown(say(f"models of type {kind}", f"{kind} 类型的模型"))
    if config.get("quantization_config"):
        raise TutorError(
            say("The folder holds a quantized model.", "这个目录中的模型是量化过的。"),
            say("Merge into the unquantized base and save that.", "请合并到未量化的底座再保存。"),
        )
    return ARCHITECTURES[kind]


def ignored(name: str) -> bool:
    """Whether a saved tensor is a constant that llama.cpp makes itself."""
    return _IGNORED.fullmatch(name) is not None


def transposed(name: str, family: Family) -> bool:
    return name.removesuffix(".weight").endswith(family.transposed) if family.transposed else False


def fields(folder: Path, config: Mapping[str, Any], arch: str) -> list[Field]:
    """Return the whole metadata of the model. Raises TutorError for what GGUF's map lacks here."""
    shape = _gpt2(config) if arch == "gpt2" else _llama_like(config)
    named = [_field(f"{arch}.{key}", value) for key, value in shape.items() if value is not None]
    tokenizer = _tokenizer(folder, config)
    return [_field("general.name", folder.name), *named, *tokenizer]


def _llama_like(config: Mapping[str, Any]) -> dict[str, Any]:
    heads = int(config["num_attention_heads"])
    width = int(config.get("head_dim") or config["hidden_size"] // heads)
    for flag in ("attention_bias", "mlp_bias", "use_sliding_window"):
        if config.get(flag) and not (flag == "attention_bias" and config["model_type"] == "qwen2"):
            raise _unknown(f"{flag}=true")
    return {
        "block_count": int(config["num_hidden_layers"]),
        "context_length": int(config["max_position_embeddings"]),
        "embedding_length": int(config["hidden_size"]),
        "feed_forward_length": int(config["intermediate_size"]),
        "attention.head_count": heads,
        "attention.head_count_kv": int(config.get("num_key_value_heads") or heads),
        "attention.key_length": width,
        "attention.value_length": width,
        "attention.layer_norm_rms_epsilon": float(config["rms_norm_eps"]),
        "rope.freq_base": _rope_base(config),
        "rope.dimension_count": width,
        "vocab_size": int(config["vocab_size"]),
    }


def _gpt2(config: Mapping[str, Any]) -> dict[str, Any]:
    if config.get("activation_function", "gelu_new") not in ("gelu_new", "gelu_pytorch_tanh"):
        raise _unknown(str(config["activation_function"]))
    return {
        "block_count": int(config["n_layer"]),
        "context_length": int(config["n_positions"]),
        "embedding_length": int(config["n_embd"]),
        "feed_forward_length": int(config.get("n_inner") or 4 * config["n_embd"]),
        "attention.head_count": int(config["n_head"]),
        "attention.layer_norm_epsilon": float(config.get("layer_norm_epsilon", 1e-5)),
        "vocab_size": int(config["vocab_size"]),
    }


def _rope_base(config: Mapping[str, Any]) -> float:
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    kind = rope.get("rope_type") or rope.get("type") or "default"
    if kind != "default" or float(rope.get("partial_rotary_factor", 1)) != 1:
        raise _unknown(say(f"rotary positions of type {kind}", f"{kind} 类型的旋转位置编码"))
    return float(rope.get("rope_theta") or config.get("rope_theta") or 10000.0)


def _tokenizer(folder: Path, config: Mapping[str, Any]) -> list[Field]:
    data = _json(folder / "tokenizer.json")
    settings = _json(folder / "tokenizer_config.json")
    if data.get("model", {}).get("type") != "BPE" or data["model"].get("byte_fallback"):
        raise _unknown(say("this kind of tokenizer", "这种分词器"))
    tokens, types = _vocabulary(folder, data, int(config["vocab_size"]))
    merges = [m if isinstance(m, str) else " ".join(m) for m in data["model"]["merges"]]
    ids = {token: number for number, token in enumerate(tokens)}
    found = [
        _field("tokenizer.ggml.model", "gpt2"),
        _field("tokenizer.ggml.pre", _cut(data)),
        _array(TOKENS, tokens, "STRING"),
        _array("tokenizer.ggml.token_type", types, "INT32"),
        _array("tokenizer.ggml.merges", merges, "STRING"),
        _field("tokenizer.ggml.add_bos_token", _adds_bos(folder, ids, settings)),
    ]
    for key, name in (("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding")):
        if (number := _special(key, settings, config, ids)) is not None:
            found.append(_field(f"tokenizer.ggml.{name}_token_id", number))
    if text := _template(folder, settings):
        found.append(_field(TEMPLATE, text))
    return found


def _vocabulary(folder: Path, data: Mapping[str, Any], size: int) -> tuple[list[str], list[int]]:
    """Return the tokens by id and their types; rows of the embeddings beyond them are unused."""
    by_id = {number: (token, NORMAL) for token, number in data["model"]["vocab"].items()}
    for added in data.get("added_tokens", []):
        by_id[added["id"]] = (added["content"], CONTROL if added["special"] else USER_DEFINED)
    if max(by_id) >= size:
        raise TutorError(
            say(
                f"{folder.name}: the tokenizer has tokens up to {max(by_id)}, the model {size} "
                "embeddings.",
                f"{folder.name}：分词器的 token 编号到 {max(by_id)}，而模型只有 {size} 个嵌入。",
            ),
            say(
                "Resize the embeddings (resize_token_embeddings) and train them, or save the "
                "model's own tokenizer.",
                "请调整嵌入大小（resize_token_embeddings）并训练，或保存模型自己的分词器。",
            ),
        )
    rows = [by_id.get(number, (f"[PAD{number}]", UNUSED)) for number in range(size)]
    return [token for token, _ in rows], [kind for _, kind in rows]


def _cut(data: Mapping[str, Any]) -> str:
    """Return llama.cpp's name for how the tokenizer cuts text before BPE."""
    cutter = data.get("pre_tokenizer") or {}
    steps = cutter.get("pretokenizers", [cutter])
    kinds = [step.get("type") for step in steps]
    if kinds == ["ByteLevel"] and steps[0].get("use_regex", True):
        return "gpt-2"
    if kinds == ["Digits", "ByteLevel"] and steps[0].get("individual_digits"):
        return "smollm"
    if kinds == ["Split", "ByteLevel"]:
        pattern = steps[0].get("pattern", {}).get("Regex", "")
        if pattern in _SPLITS:
            return _SPLITS[pattern]
    raise _unknown(say("this tokenizer's way to cut text", "这种分词器的切分方式"))


def _adds_bos(folder: Path, ids: Mapping[str, int], settings: Mapping[str, Any]) -> bool:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    first = tokenizer.encode("a").ids[0]
    return first == ids.get(_content(settings.get("bos_token")))


def _special(
    key: str, settings: Mapping[str, Any], config: Mapping[str, Any], ids: Mapping[str, int]
) -> int | None:
    token = _content(settings.get(f"{key}_token"))
    if token in ids:
        return ids[token]
    number = config.get(f"{key}_token_id")
    number = number[0] if isinstance(number, list) and number else number
    return number if isinstance(number, int) else None


def _content(token: Any) -> str:
    return str(token.get("content") if isinstance(token, dict) else token or "")


def _template(folder: Path, settings: Mapping[str, Any]) -> str:
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text("utf-8")
    text = settings.get("chat_template") or ""
    if not isinstance(text, str):
        raise _unknown(say("several chat templates in one tokenizer", "一个分词器里的多个对话模板"))
    return text


def _field(key: str, value: Any) -> Field:
    from gguf import GGUFValueType

    kinds = {bool: "BOOL", int: "UINT32", float: "FLOAT32", str: "STRING"}
    return Field(key, value, int(GGUFValueType[kinds[type(value)]]))


def _array(key: str, values: list[Any], kind: str) -> Field:
    from gguf import GGUFValueType

    return Field(key, values, int(GGUFValueType.ARRAY), int(GGUFValueType[kind]))


def _json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise TutorError(
            say(f"{path} cannot be read: {error}", f"无法读取 {path}：{error}"),
            say(
                "A model's folder holds what save_pretrained writes, of model and tokenizer.",
                "模型目录应包含 save_pretrained 写出的模型和分词器文件。",
            ),
        ) from error


def _unknown(what: str) -> TutorError:
    return TutorError(
        say(f"The exporter does not know {what}.", f"导出器不认识{what}。"),
        say("Let the full converter do it: add --converter", "请用完整的转换器：加上 --converter"),
    )
