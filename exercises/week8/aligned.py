"""What the graders of week 8 measure by themselves: log-probabilities and implicit rewards of
answers. No number of a submission is used. Whether an adapter was trained: exercises/week5/proof."""

from __future__ import annotations

from functools import cache
from typing import Any

from exercises.week5 import proof
from exercises.week8 import preference_data
from tutor.base.i18n import say

BATCH = 12
ODD = {"prompt": "Explain <r>, in\ntwo lines: 秩?", "chosen": "The rank.\n\n秩 r = 8.",
       "rejected": "I would rather not say."}  # fmt: skip
"""A pair unlike the data's: signs, a line break, an empty line, two scripts."""


@cache
def held_out() -> list[dict[str, str]]:
    """Return the preference pairs that no run is trained on."""
    return preference_data.pairs()[1]


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


def answer_ids(tokenizer: Any, row: dict[str, str], answer: str) -> tuple[list[int], list[int]]:
    """Return (prompt, answer) as tokens: the chat format, and the answer with its end token."""
    given = tokenizer(proof.chat_prompt(tokenizer, row), add_special_tokens=False)
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
        ids = [torch.tensor([*coded[n][0], *coded[n][1]], device=model.device) for n in part]
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
