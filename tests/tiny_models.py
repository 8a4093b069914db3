"""Small random models with a real tokenizer, saved as Hugging Face folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

VOCABULARY = 49152  # SmolLM2's
_SIZES = {
    "vocab_size": VOCABULARY, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256,
    "tie_word_embeddings": True, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
)


def save_tokenizer(gguf: Path, folder: Path) -> None:
    """Save SmolLM2's tokenizer, with a chat template of this module's."""
    from tokenizers import pre_tokenizers
    from transformers import AutoTokenizer

    named: dict[str, Any] = {"gguf_file": gguf.name}
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, **named)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
    )
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)


def cut_like_gpt2(folder: Path) -> None:
    """Make a saved tokenizer part text before BPE as GPT-2's does: digits stay together."""
    path = folder / "tokenizer.json"
    data = json.loads(path.read_text("utf-8"))
    data["pre_tokenizer"] = data["pre_tokenizer"]["pretokenizers"][1]
    path.write_text(json.dumps(data), "utf-8")


def build(family: str, **changes: Any) -> Any:
    """Return a random model of the family: "llama", "qwen2", "qwen3" or "gpt2"."""
    import torch
    from transformers import (
        GPT2Config,
        GPT2LMHeadModel,
        LlamaConfig,
        LlamaForCausalLM,
        Qwen2Config,
        Qwen2ForCausalLM,
        Qwen3Config,
        Qwen3ForCausalLM,
    )

    torch.manual_seed(0)
    if family == "gpt2":
        sizes = {"vocab_size": VOCABULARY, "n_embd": 64, "n_layer": 2, "n_head": 4,
                 "n_positions": 256, "bos_token_id": 1, "eos_token_id": 2}  # fmt: skip
        model = GPT2LMHeadModel(GPT2Config(**(sizes | changes)))
    else:
        config, kind = {
            "llama": (LlamaConfig, LlamaForCausalLM),
            "qwen2": (Qwen2Config, Qwen2ForCausalLM),
            "qwen3": (Qwen3Config, Qwen3ForCausalLM),
        }[family]
        more = {"head_dim": 32} if family == "qwen3" else {}
        model = kind(config(**(_SIZES | more | changes)))
    with torch.no_grad():  # norms of 1 and biases of 0 would hide a tensor that is left out
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * 0.2)
            else:
                parameter.mul_(8)
    return model.eval()


def randomize(adapted: Any) -> Any:
    """Give an adapter weights that change something: B starts as zeros."""
    import torch

    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name or "modules_to_save" in name:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return adapted.eval()


def logits(model: Any, ids: list[int]) -> Any:
    """Return the logits at every position as numpy: (tokens, vocabulary)."""
    import torch

    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0].float().numpy()
