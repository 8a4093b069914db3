"""Criteria of week5/qlora: the quantized base measured, and what the finished run proves."""

from __future__ import annotations

from functools import cache

import torch

from exercises import lab
from exercises.gap import call
from exercises.week5 import proof
from tutor.base.i18n import say

# Measured with the solution: half of the gain must be reached, merged or not.
LEAST_GAIN = lab.bound("least_gain", 0.45)
NAMES = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
"""Seven in each of 30 layers."""


@cache
def quantized(load_quantized):
    return load_quantized()


@cache
def built(load_quantized, build_model):
    """build_model's model, on a quantized base of its own, and its adapter as it was at first."""
    model = build_model(load_quantized())
    return model, proof.fresh_weights(model)


def build(submission, criterion):
    return call(criterion, built, submission.load_quantized, submission.build_model)


def held_out():
    return lab.instructions()[1][::3]


def linears(model):
    """Return the 4-bit linear layers by path."""
    import bitsandbytes

    found = {n: m for n, m in model.named_modules() if isinstance(m, bitsandbytes.nn.Linear4bit)}
    assert found, say(
        "there is no bitsandbytes Linear4bit in the model: it is not quantized",
        "模型中没有 bitsandbytes 的 Linear4bit：它没有被量化",
    )
    return found


def stored_bytes(layer):
    """Return the bytes of a layer's codes and of both levels of its scales; not the tables of 16
    and 256 values, nor the one offset, which do not grow with the model."""
    state = layer.weight.quant_state
    parts = [layer.weight, state.absmax]
    if state.nested:
        parts.append(state.state2.absmax)
    return sum(part.numel() * part.element_size() for part in parts)


def test_bits_per_parameter(submission):
    cases = {
        (64, True, 256): 4.126953125,
        (64, False, 256): 4.5,
        (128, False, 256): 4.25,
        (128, True, 512): 4.06298828125,
        (32, True, 128): 4.2578125,
    }
    for (block, double, outer), expected in cases.items():
        got = call(
            "bits_per_parameter", submission.bits_per_parameter, block, double, outer_block=outer
        )
        assert abs(got - expected) < 1e-9, say(
            f"blocks of {block}, double={double}, outer blocks of {outer}: {got:.4f} bits; "
            f"it is {expected:.4f} (QLoRA paper, section 3)",
            f"块大小 {block}、double={double}、外层块 {outer}：得到 {got:.4f} 位；"
            f"应为 {expected:.4f}（QLoRA 论文第 3 节）",
        )


def test_nf4_double_quant(submission):
    model = call("nf4_double_quant", quantized, submission.load_quantized)
    layers = linears(model)
    count = len(NAMES) * model.config.num_hidden_layers
    assert len(layers) == count, say(
        f"{len(layers)} layers are in 4 bits; the model has {count} linear layers in its blocks",
        f"有 {len(layers)} 层为 4 位；模型各块中共有 {count} 个线性层",
    )
    for name, layer in layers.items():
        state = layer.weight.quant_state
        assert state.quant_type == "nf4", say(
            f"{name} is {state.quant_type}, not nf4", f"{name} 是 {state.quant_type}，不是 nf4"
        )
        assert state.nested, say(
            f"the scales of {name} are not quantized themselves: double quantization is off",
            f"{name} 的缩放系数自身没有量化：没有启用双重量化",
        )
        assert layer.compute_dtype in (torch.bfloat16, torch.float16), say(
            f"{name} computes in {layer.compute_dtype}; the paper in 16 bits",
            f"{name} 以 {layer.compute_dtype} 计算；论文使用 16 位",
        )


def test_memory(submission, figures):
    model = call("memory", quantized, submission.load_quantized)
    layers = linears(model)
    weights = sum(layer.weight.quant_state.shape.numel() for layer in layers.values())
    size = sum(map(stored_bytes, layers.values()))
    figures |= {
        "linear_mb_4bit": size / 1e6,
        "linear_mb_16bit": weights * 2 / 1e6,
        "bits_per_parameter": 8 * size / weights,
        "footprint_mb": model.get_memory_footprint() / 1e6,
    }
    assert figures["bits_per_parameter"] < 4.2, say(
        f"a weight of the linear layers takes {figures['bits_per_parameter']:.3f} bits; with "
        "double quantization it is 4.127",
        f"线性层的每个权重占 {figures['bits_per_parameter']:.3f} 位；双重量化后应为 4.127",
    )
    claimed = call("memory", submission.bits_per_parameter)
    assert abs(claimed - figures["bits_per_parameter"]) < 0.01, say(
        f"bits_per_parameter() says {claimed:.3f}, measured are "
        f"{figures['bits_per_parameter']:.3f}",
        f"bits_per_parameter() 给出 {claimed:.3f}，实测为 {figures['bits_per_parameter']:.3f}",
    )


def test_prepared(submission):
    model, _ = build(submission, "prepared")
    linears(model)
    half = [
        name
        for name, p in model.named_parameters()
        if ("norm" in name or "embed_tokens" in name) and p.dtype != torch.float32
    ]
    assert not half, say(
        f"{len(half)} norms or embeddings are not in float32, {half[:1]} among them: "
        "prepare_model_for_kbit_training makes them so",
        f"有 {len(half)} 个归一化层或词嵌入不是 float32，例如 {half[:1]}："
        "prepare_model_for_kbit_training 会完成转换",
    )
    checkpointed = any(getattr(m, "gradient_checkpointing", False) for m in model.modules())
    assert checkpointed, say(
        "activations are all kept: prepare_model_for_kbit_training turns checkpointing on",
        "激活值全部保留着：prepare_model_for_kbit_training 会开启梯度检查点",
    )


def test_only_adapter_trains(submission, figures):
    model, _ = build(submission, "only_adapter_trains")
    proof.check_trainable(model, figures)
    adapted = {name.split(".")[-4] for name, _ in model.named_parameters() if "lora_A" in name}
    assert adapted >= NAMES, say(
        f"not adapted: {sorted(NAMES - adapted)}; QLoRA adapts every linear layer (section 4)",
        f"没有适配：{sorted(NAMES - adapted)}；QLoRA 适配所有线性层（第 4 节）",
    )


def test_response_only_labels(submission):
    for pair in held_out()[:4]:
        proof.check_example(submission, "response_only_labels", proof.base_tokenizer(), pair)


def test_adapter_saved(submission, run_dir):
    saved = proof.adapter_weights(run_dir / "adapter")
    _, fresh = build(submission, "adapter_saved")
    proof.check_same_adapter(saved, fresh)
    proof.check_no_full_weights(run_dir)


def test_trained(submission, run_dir, figures):
    saved = proof.adapter_weights(run_dir / "adapter")
    _, fresh = build(submission, "trained")
    proof.check_trained(saved, fresh, figures)


def test_held_out_improves(submission, run_dir, figures):
    from peft import PeftModel

    proof.adapter_weights(run_dir / "adapter")  # says what is missing
    model = submission.load_quantized()
    before = proof.held_out_loss(model, proof.base_tokenizer(), held_out())
    adapted = PeftModel.from_pretrained(model, run_dir / "adapter")
    after = proof.held_out_loss(adapted, proof.base_tokenizer(), held_out())
    figures |= {"quantized_base_loss": before, "held_out_loss": after}
    assert before - after >= LEAST_GAIN, say(
        f"held-out loss {after:.3f}, quantized base {before:.3f}: the gain must be at least "
        f"{LEAST_GAIN}",
        f"留出集损失 {after:.3f}，量化后的底座模型 {before:.3f}：至少应降低 {LEAST_GAIN}",
    )


def test_merges(submission, run_dir, figures):
    proof.adapter_weights(run_dir / "adapter")  # says what is missing
    merged = call("merges", submission.merge, run_dir / "adapter")
    kinds = {type(module).__name__ for module in merged.modules()}
    assert "Linear4bit" not in kinds, say(
        "the merged model is still in 4 bits: merge into lab.load_base(), not the quantized base",
        "合并后的模型仍是 4 位：应合并到 lab.load_base()，而不是量化后的底座模型",
    )
    left = [name for name, _ in merged.named_parameters() if "lora_" in name]
    assert not left, say(
        f"{len(left)} LoRA matrices are left: merge_and_unload adds them to the weights",
        f"还剩 {len(left)} 个 LoRA 矩阵：merge_and_unload 会把它们加到权重中",
    )
    base, _ = lab.load_base()
    before = proof.held_out_loss(base, proof.base_tokenizer(), held_out())
    after = proof.held_out_loss(merged, proof.base_tokenizer(), held_out())
    figures |= {"base_held_out_loss": before, "merged_held_out_loss": after}
    assert before - after >= LEAST_GAIN, say(
        f"merged: held-out loss {after:.3f}, base {before:.3f}; the gain must be at least "
        f"{LEAST_GAIN}",
        f"合并后留出集损失 {after:.3f}，底座模型 {before:.3f}；至少应降低 {LEAST_GAIN}",
    )
