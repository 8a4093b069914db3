# %% [markdown]
# # 用 LoRA 和 peft 微调
#
# 教 SmolLM2-135M-Instruct 用各个库自己文档里的说法回答 API 问题。
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor run week5/lora` 运行，用 `tutor check week5/lora` 批改。

# %%
import json

import torch
from peft import LoraConfig, get_peft_model  # noqa: F401
from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments  # noqa: F401

from exercises import lab

SEED = 0
PAIRS = 128
IGNORED = -100  # 交叉熵会忽略的标签值

# %% [markdown]
# ## 1. 单个样本
#
# 输入是整段对话；要学习的只有回答，以及结束它的那个 token。


# %%
def build_example(tokenizer, pair):
    """返回 {"input_ids", "labels"}：两个等长的列表；提示部分的标签为 -100。"""
    # 对话模板配合 add_generation_prompt=True，得到文本形式的提示。
    raise NotImplementedError("build_example：提示和回答的 token，以及对应的标签")


# %% [markdown]
# ## 2. 模型
#
# 选定秩、alpha 和要适配的层。种子要紧挨在 A 初始化之前设定。


# %%
def lora_config():
    raise NotImplementedError("lora_config：秩、alpha、目标模块、任务类型")


def build_model(base):
    """返回装上全新适配器的底座模型，每次调用结果相同。"""
    raise NotImplementedError("build_model：先 torch.manual_seed(SEED)，再加适配器")


# %% [markdown]
# ## 3. 训练
#
# 批次大小 8、共 16 步，在两个空闲的核上约一分钟。


# %%
def training_arguments():
    # lab.checkpointing() 给出保存位置和间隔；间隔要小于你的总步数。
    raise NotImplementedError("training_arguments：批次大小、epoch 数、学习率、检查点")


def build_trainer(model, tokenizer, train):
    """返回在数据对 `train` 上训练的 Trainer，回调中要有 lab.progress()。"""
    # 批次中的填充：注意力掩码为 0，标签为 -100。
    raise NotImplementedError("build_trainer：样本、collator、回调")


# %% [markdown]
# ## 4. 学到了什么
#
# 在训练时没有出现过的类的数据对上，回答 token 的平均损失，单位为 nat。


# %%
@torch.no_grad()
def held_out_loss(model, tokenizer, pairs):
    model.eval()
    collate = DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=IGNORED)
    total, tokens = 0.0, 0
    for start in range(0, len(pairs), 8):
        batch = collate([build_example(tokenizer, pair) for pair in pairs[start : start + 8]])
        batch = batch.to(model.device)
        count = int((batch["labels"][:, 1:] != IGNORED).sum())
        total += model(**batch).loss.item() * count
        tokens += count
    return total / tokens


# %%
def main():
    base, tokenizer = lab.load_base()
    train, held_out = lab.instructions()
    model = build_model(base)
    model.print_trainable_parameters()
    trainer = build_trainer(model, tokenizer, train[:PAIRS])  # noqa: F841
    raise NotImplementedError("main：训练（或从检查点继续），保存适配器")

    pairs = held_out[::3]
    metrics = {"held_out_loss": held_out_loss(model, tokenizer, pairs)}
    with model.disable_adapter():
        metrics["base_held_out_loss"] = held_out_loss(model, tokenizer, pairs)
    (lab.run_dir() / "metrics.json").write_text(json.dumps(metrics, indent=2))
    print(metrics)


if __name__ == "__main__":
    main()
