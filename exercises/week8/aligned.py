"""What the graders of week 8 measure by themselves: log-probabilities and implicit rewards of
answers, and whether an adapter that a run left was trained. No number of a submission is used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from exercises import lab
from tutor.base.i18n import say

FILE = "adapter_model.safetensors"
BATCH = 12


def adapter_weights(folder: Path) -> dict[str, Any]:
    """Return the tensors of a peft adapter in this folder of the run by name."""
    from safetensors.torch import load_file

    there = (folder / FILE).exists() and (folder / "adapter_config.json").exists()
    assert there, say(
        f"there is no peft adapter ({FILE} and adapter_config.json) in lab.run_dir() / "
        f'"{folder.name}": save the trained PeftModel there with save_pretrained',
        f'lab.run_dir() / "{folder.name}" 中没有 peft 适配器（{FILE} 和 adapter_config.json）：'
        "请用训练后的 PeftModel 的 save_pretrained 保存到这里",
    )
    return load_file(folder / FILE)


def fresh_weights(model: Any) -> dict[str, Any]:
    """Return copies of a model's adapter as it is now, named as peft saves it."""
    from peft import PeftModel, get_peft_model_state_dict

    assert isinstance(model, PeftModel), say(
        f"the trainer's model is a {type(model).__name__} without an adapter: every weight trains",
        f"训练器的模型是没有适配器的 {type(model).__name__}：所有权重都会被训练",
    )
    return {name: t.detach().cpu().clone() for name, t in get_peft_model_state_dict(model).items()}


def check_only_lora(model: Any, figures: dict[str, float]) -> None:
    """What trains are LoRA's matrices: a part of the model below a tenth."""
    trains = {name: p.numel() for name, p in model.named_parameters() if p.requires_grad}
    others = [name for name in trains if "lora_" not in name]
    total = sum(p.numel() for p in model.parameters())
    figures |= {"trainable": sum(trains.values()), "total": total}
    assert trains, say(
        "nothing in the trainer's model is trainable", "训练器的模型中没有可训练的参数"
    )
    assert not others, say(
        f"{sum(trains.values()):,} of {total:,} parameters train; {len(others)} tensors among them "
        f"are not LoRA's, {others[0]} for one",
        f"{total:,} 个参数中有 {sum(trains.values()):,} 个可训练；其中 {len(others)} 个张量不属于 "
        f"LoRA，例如 {others[0]}",
    )
    assert 10 * figures["trainable"] < total, say(
        f"the adapter has {figures['trainable']:,} parameters, more than a tenth of {total:,}: "
        "choose a lower rank",
        f"适配器有 {figures['trainable']:,} 个参数，超过了 {total:,} 的十分之一：请降低秩",
    )


def check_same_layers(saved: dict[str, Any], fresh: dict[str, Any], where: str) -> None:
    """The file holds the adapter that build_trainer makes, and nothing else."""
    odd = sorted(saved.keys() ^ fresh.keys())
    odd = odd or sorted(name for name in fresh if saved[name].shape != fresh[name].shape)
    assert not odd, say(
        f"{where} is not the adapter that build_trainer makes: they differ in {len(odd)} tensors, "
        f"{odd and odd[0]} for one",
        f"{where} 不是 build_trainer 建立的适配器：有 {len(odd)} 个张量不一致，例如 {odd and odd[0]}",
    )


def check_moved(
    saved: dict[str, Any], fresh: dict[str, Any], where: str, figures: dict[str, float]
) -> None:
    """Both matrices of every layer moved away from where build_trainer starts them."""
    zero = [name for name in saved if "lora_B" in name and not saved[name].any()]
    assert not zero, say(
        f"{where}: B is still zero in {len(zero)} layers, as it is before the first step",
        f"{where}：有 {len(zero)} 层的 B 仍为零，与第一步之前相同",
    )
    moved = {
        name: ((saved[name].float() - fresh[name].float()).norm() / fresh[name].norm()).item()
        for name in saved
        if "lora_A" in name and name in fresh
    }
    still = [name for name, distance in moved.items() if distance < 1e-6]
    assert moved and not still, say(
        f"{where}: A is the same as build_trainer makes it in {len(still)} of {len(moved)} layers: "
        "no step of training changed it",
        f"{where}：{len(moved)} 层中有 {len(still)} 层的 A 与 build_trainer 生成的完全相同："
        "没有任何训练步改变过它",
    )
    figures["A_moved_by"] = sum(moved.values()) / len(moved)


def chat_prompt(tokenizer: Any, prompt: str) -> str:
    user = {"role": "user", "content": prompt}
    return str(tokenizer.apply_chat_template([user], tokenize=False, add_generation_prompt=True))


def answer_ids(tokenizer: Any, row: dict[str, str], answer: str) -> tuple[list[int], list[int]]:
    """Return (prompt, answer) as tokens: the chat format, and the answer with its end token."""
    given = tokenizer(chat_prompt(tokenizer, row["prompt"]), add_special_tokens=False)
    said = tokenizer(row[answer] + tokenizer.eos_token, add_special_tokens=False)
    return given["input_ids"], said["input_ids"]


def log_probs(model: Any, tokenizer: Any, rows: list[dict[str, str]], answer: str) -> Any:
    """Return (n,): the log-probability in nats of row[answer] and its end, in float32."""
    import torch

    model.eval()
    sums = torch.zeros(len(rows))
    coded = [answer_ids(tokenizer, row, answer) for row in rows]
    # Alike in length, so that little is computed for padding.
    order = sorted(range(len(rows)), key=lambda n: len(coded[n][0]) + len(coded[n][1]))
    for start in range(0, len(rows), BATCH):
        part = order[start : start + BATCH]
        ids = [torch.tensor([*coded[n][0], *coded[n][1]]) for n in part]
        batch = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True)
        mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(i) for i in ids], batch_first=True)
        with torch.no_grad():
            logits = model(input_ids=batch, attention_mask=mask).logits
        for row, n in enumerate(part):
            first, end = len(coded[n][0]), len(ids[row])
            log_p = logits[row, first - 1 : end - 1].float().log_softmax(-1)
            sums[n] = log_p.gather(1, batch[row, first:end, None]).sum()
    return sums


def rewards(model: Any, tokenizer: Any, rows: list[dict[str, str]], beta: float) -> tuple[Any, Any]:
    """Return (chosen, rejected), each (n,): beta · (log π − log π_ref); the reference is the
    PeftModel without its adapter (DPO paper, section 4)."""
    found = []
    for answer in ("chosen", "rejected"):
        policy = log_probs(model, tokenizer, rows, answer)
        with model.disable_adapter():
            found.append(beta * (policy - log_probs(model, tokenizer, rows, answer)))
    return found[0], found[1]


def adapted(folder: Path) -> Any:
    """Return the base with the run's adapter of this folder."""
    from peft import PeftModel

    adapter_weights(folder)  # says what is missing
    return PeftModel.from_pretrained(lab.load_base()[0], folder)


def tiny_peft(seed: int = 0, vocabulary: int = 49152) -> Any:
    """Return a random Llama of two layers in float32 with an adapter that changes what it says."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, initializer_range=0.3,
    )  # fmt: skip
    lora = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False,
                      lora_dropout=0.3, task_type="CAUSAL_LM")  # fmt: skip
    return get_peft_model(LlamaForCausalLM(config), lora)
