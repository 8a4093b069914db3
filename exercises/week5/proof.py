"""Proof that an adapter was trained, from what a run left: for the criteria of weeks 5 and 8.
Nothing here trusts a number that the submission wrote.

maker: the learner's function that makes the adapter anew. where: the adapter's folder in the run,
where it has several."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from exercises import lab
from exercises.gap import call
from tutor.base.i18n import say

IGNORED = -100
ADAPTER = "adapter_model.safetensors"
STATE_OF_TRAINER = {"optimizer.pt", "scheduler.pt", "scaler.pt", "training_args.bin"}
WEIGHTS = {".safetensors", ".bin", ".pt", ".pth", ".gguf"}


@cache
def base_tokenizer() -> Any:
    """Return the base's tokenizer."""
    return lab.load_base()[1]


def adapter_weights(folder: Path) -> dict[str, Any]:
    """Return the tensors of the adapter in a folder of the run by name."""
    from safetensors.torch import load_file

    file = folder / ADAPTER
    assert file.exists() and (folder / "adapter_config.json").exists(), say(
        f"there is no peft adapter ({ADAPTER} and adapter_config.json) in lab.run_dir() / "
        f'"{folder.name}": save it with the PeftModel\'s save_pretrained',
        f'lab.run_dir() / "{folder.name}" 中没有 peft 适配器（{ADAPTER} 和 adapter_config.json）：'
        "请用 PeftModel 的 save_pretrained 保存",
    )
    return load_file(file)


def fresh_weights(model: Any) -> dict[str, Any]:
    """Return copies of the adapter's tensors in a model, named as peft saves them."""
    from peft import PeftModel, get_peft_model_state_dict

    assert isinstance(model, PeftModel), say(
        f"the model is a {type(model).__name__} without an adapter: every weight trains",
        f"模型是没有适配器的 {type(model).__name__}：所有权重都会被训练",
    )
    return {name: t.detach().cpu().clone() for name, t in get_peft_model_state_dict(model).items()}


def base_weights(model: Any) -> dict[str, Any]:
    """Return the base's tensors in a model with an adapter, named as without one."""
    return {
        name.removeprefix("base_model.model.").replace(".base_layer.", "."): tensor
        for name, tensor in model.state_dict().items()
        if "lora_" not in name
    }


def check_trainable(model: Any, figures: dict[str, float]) -> None:
    """Only LoRA's matrices train: r x (in + out) for each adapted layer."""
    trains = {name: p for name, p in model.named_parameters() if p.requires_grad}
    others = [name for name in trains if "lora_A" not in name and "lora_B" not in name]
    figures["trainable"] = sum(p.numel() for p in trains.values())
    figures["trainable_percent"] = (
        100 * figures["trainable"] / sum(p.numel() for p in model.parameters())
    )
    assert trains, say("nothing in the model is trainable", "模型中没有可训练的参数")
    assert not others, say(
        f"{len(others)} parameters that are not LoRA's are trainable, {others[0]} among them",
        f"有 {len(others)} 个不属于 LoRA 的参数可训练，例如 {others[0]}",
    )
    expected = sum(
        m.r[name] * (m.in_features + m.out_features)
        for m in model.modules()
        if hasattr(m, "lora_A") and hasattr(m, "in_features")
        for name in m.lora_A
    )
    assert figures["trainable"] == expected, say(
        f"{figures['trainable']} parameters train; r x (in + out) over the adapted layers is "
        f"{expected}",
        f"可训练参数为 {figures['trainable']} 个；各适配层的 r × (in + out) 之和应为 {expected}",
    )


def check_same_adapter(
    saved: dict[str, Any], fresh: dict[str, Any], maker: str = "build_model", where: str = "adapter"
) -> None:
    """The file holds what the maker makes, and nothing else."""
    more = sorted(saved.keys() - fresh.keys())
    less = sorted(fresh.keys() - saved.keys())
    assert not more, say(
        f"{where}: the file holds {len(more)} tensors that {maker}'s adapter has not, "
        f"{more[0]} among them",
        f"{where}：文件中有 {len(more)} 个张量不在 {maker} 的适配器里，例如 {more[0]}",
    )
    assert not less, say(
        f"{where}: the file lacks {len(less)} tensors of {maker}'s adapter, {less[0]} among them",
        f"{where}：文件缺少 {maker} 适配器中的 {len(less)} 个张量，例如 {less[0]}",
    )
    shapes = [name for name in fresh if saved[name].shape != fresh[name].shape]
    assert not shapes, say(
        f"{where}: {shapes and shapes[0]} has another shape in the file than in {maker}'s adapter",
        f"{where}：{shapes and shapes[0]} 在文件中的形状与 {maker} 的适配器不同",
    )


def check_no_full_weights(run_dir: Path) -> None:
    """A run leaves megabytes: no second copy of the base."""
    from safetensors import safe_open

    for file in sorted(p for p in run_dir.rglob("*") if p.suffix in WEIGHTS):
        if file.name in STATE_OF_TRAINER or file.name.startswith("rng_state"):
            continue
        where = file.relative_to(run_dir).as_posix()
        full = file.suffix != ".safetensors"
        if not full:
            with safe_open(file, "pt") as tensors:
                full = any("lora_" not in name for name in tensors.keys())  # noqa: SIM118
        assert not full, say(
            f"{where} holds weights of the base: save the adapter, not the model",
            f"{where} 中含有底座模型的权重：应保存适配器，而不是整个模型",
        )


def check_trained(
    saved: dict[str, Any],
    fresh: dict[str, Any],
    figures: dict[str, float],
    maker: str = "build_model",
    where: str = "adapter",
) -> None:
    """Both matrices of every layer moved away from where the maker starts them."""
    zero = [name for name in saved if "lora_B" in name and not saved[name].any()]
    assert not zero, say(
        f"{where}: B is still zero in {len(zero)} layers, as it is before the first step",
        f"{where}：有 {len(zero)} 层的 B 仍为零，与训练第一步之前相同",
    )
    moved = {
        name: ((saved[name].float() - fresh[name].float()).norm() / fresh[name].norm()).item()
        for name in saved
        if "lora_A" in name and name in fresh
    }
    still = [name for name, distance in moved.items() if distance < 1e-6]
    assert moved and not still, say(
        f"{where}: A is the same as {maker} makes it in {len(still)} of {len(moved)} layers: "
        "not one step of training changed it",
        f"{where}：{len(moved)} 层中有 {len(still)} 层的 A 与 {maker} 生成的完全相同：没有经过训练",
    )
    figures["A_moved_by"] = sum(moved.values()) / len(moved)


def check_resumable(run_dir: Path, figures: dict[str, float]) -> None:
    """A checkpoint holds all that a run needs to go on: adapter, optimizer, schedule, step."""
    steps = {}
    for file in run_dir.glob("checkpoints/checkpoint-*/trainer_state.json"):
        names = {p.name for p in file.parent.iterdir()}
        if {ADAPTER, "optimizer.pt", "scheduler.pt"} <= names:
            steps[file.parent] = json.loads(file.read_text("utf-8"))["global_step"]
    assert steps, say(
        "no whole checkpoint in lab.run_dir() / checkpoints: pass **lab.checkpointing() to "
        "TrainingArguments and let the Trainer save",
        "lab.run_dir() / checkpoints 中没有完整的检查点：请把 **lab.checkpointing() 传给 "
        "TrainingArguments，由 Trainer 保存",
    )
    figures["checkpoint_step"] = max(steps.values())


def encode(tokenizer: Any, pair: dict[str, str]) -> dict[str, list[int]]:
    """Return the grader's own example: the prompt in the chat format, the response, its end."""
    prompt = chat_prompt(tokenizer, pair)
    given = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    response = pair["response"] + tokenizer.eos_token
    learned = tokenizer(response, add_special_tokens=False)["input_ids"]
    return {"input_ids": given + learned, "labels": [IGNORED] * len(given) + learned}


def chat_prompt(tokenizer: Any, pair: dict[str, str]) -> str:
    user = {"role": "user", "content": pair["prompt"]}
    text = tokenizer.apply_chat_template([user], tokenize=False, add_generation_prompt=True)
    return str(text)


def held_out_loss(model: Any, tokenizer: Any, pairs: list[dict[str, str]]) -> float:
    """Return the mean loss in nats over the response tokens of all pairs together."""
    import torch
    from transformers import DataCollatorForSeq2Seq

    model.eval()
    collate = DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=IGNORED)
    total, tokens = 0.0, 0
    with torch.no_grad():
        for start in range(0, len(pairs), 8):
            batch = collate([encode(tokenizer, pair) for pair in pairs[start : start + 8]])
            count = int((batch["labels"][:, 1:] != IGNORED).sum())
            total += model(**batch.to(model.device)).loss.item() * count
            tokens += count
    return total / tokens


def adapted(folder: Path) -> Any:
    """Return the 16-bit base with the adapter in a folder of the run."""
    from peft import PeftModel

    adapter_weights(folder)  # says what is missing
    base, _ = lab.load_base()
    return PeftModel.from_pretrained(base, folder)


def check_example(submission: Any, criterion: str, tokenizer: Any, pair: dict[str, str]) -> None:
    """The prompt is in the chat format and not learned; the response is learned, all of it."""
    example = call(criterion, submission.build_example, tokenizer, pair)
    ids, labels = list(example["input_ids"]), list(example["labels"])
    assert len(ids) == len(labels), say(
        f"{len(ids)} input_ids, but {len(labels)} labels: one label for each token",
        f"input_ids 有 {len(ids)} 个，labels 却有 {len(labels)} 个：应一一对应",
    )
    assert tokenizer.decode(ids).startswith(chat_prompt(tokenizer, pair)), say(
        "the input does not begin with the prompt in the model's chat format "
        "(apply_chat_template with add_generation_prompt=True)",
        "输入不是以模型对话格式的提示开头（apply_chat_template，add_generation_prompt=True）",
    )
    wrong = [
        i for i, (t, label) in enumerate(zip(ids, labels, strict=True)) if label not in (t, IGNORED)
    ]
    assert not wrong, say(
        "a label is its own position's token or -100: the model shifts them by one itself",
        "每个标签应是同一位置的 token 或 -100：错开一位由模型自己完成",
    )
    learned = tokenizer.decode([label for label in labels if label != IGNORED])
    learned = learned.replace(tokenizer.eos_token, "").strip()
    assert learned == pair["response"].strip(), say(
        f"learned is {learned[:80]!r}, not the response {pair['response'][:80]!r}",
        f"参与损失的是 {learned[:80]!r}，而不是回答 {pair['response'][:80]!r}",
    )


def check_batch(trainer: Any, tokenizer: Any) -> None:
    """In a padded batch, padding is not learned and the end of each response is."""
    # The collator itself: a learner's batches may be of one example, which needs no padding.
    data = trainer.train_dataset
    batch = trainer.data_collator([dict(data[i]) for i in range(len(data))])
    labels, mask = batch["labels"], batch["attention_mask"]
    assert mask.min() == 0, say(
        "the batch of responses of different lengths has no padding in its attention mask",
        "长短不一的回答组成的批次，attention_mask 中却没有填充",
    )
    assert (labels[mask == 0] == IGNORED).all(), say(
        "padding is learned: its labels must be -100", "填充也计入了损失：其标签应为 -100"
    )
    ends = (labels == tokenizer.eos_token_id).any(dim=1)
    assert ends.all(), say(
        f"in {int((~ends).sum())} of {len(ends)} responses no label is "
        f"{tokenizer.eos_token}: the model will never learn to stop",
        f"{len(ends)} 个回答中有 {int((~ends).sum())} 个的标签里没有 {tokenizer.eos_token}："
        "模型永远学不会停下来",
    )
