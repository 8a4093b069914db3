# %% [markdown]
# # QLoRA：在 4 位底座模型上训练适配器
#
# Dettmers 等 2023（arXiv 2305.14314）：NF4 权重、双重量化，所有线性层都加 LoRA。
# 数据与 week5/lora 相同。补全每处空缺，名称和签名保持不变。
# 用 `tutor run week5/qlora` 运行，用 `tutor check week5/qlora` 批改。

# %%
import json

import torch
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training  # noqa: F401
from transformers import (  # noqa: F401
    AutoModelForCausalLM,
    BitsAndBytesConfig,
    DataCollatorForSeq2Seq,
    Trainer,
    TrainingArguments,
)

from exercises import lab

SEED = 0
PAIRS = 128
IGNORED = -100
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

# %% [markdown]
# ## 1. 论文第 3 节的位数计算
#
# 每块权重有一个 float32 缩放系数。双重量化把这些系数存成 8 位，
# 每 256 个系数为一块，再共用一个 float32 缩放系数。


# %%
def bits_per_parameter(block: int = 64, double: bool = True, outer_block: int = 256) -> float:
    """返回 NF4 下每个权重占用的位数，包含它分摊的缩放系数。"""
    raise NotImplementedError("bits_per_parameter：4 位加上分摊的缩放系数")


# %% [markdown]
# ## 2. 4 位的底座模型


# %%
def quantization_config():
    raise NotImplementedError("quantization_config：NF4、双重量化、计算所用的 dtype")


def base_folder():
    """返回 lab 存放底座模型的目录，其中的权重由 GGUF 反量化得到。"""
    base, _ = lab.load_base()
    return base.name_or_path


def load_quantized():
    """返回底座模型，每个块中的所有线性层都是 NF4。"""
    # base_folder() 中是 16 位权重；加载到 DEVICE：device_map={"": DEVICE}。
    raise NotImplementedError("load_quantized：from_pretrained，带上量化配置")


# %% [markdown]
# ## 3. 适配器
#
# `prepare_model_for_kbit_training` 冻结底座模型，把归一化层、词嵌入和输出层转成 float32，
# 并开启梯度检查点：激活值不保留，用到时重新计算。


# %%
def build_model(quantized):
    """返回做好训练准备、装上全新适配器的量化模型，每次调用结果相同。"""
    raise NotImplementedError("build_model：准备训练，torch.manual_seed(SEED)，适配所有线性层")


# %% [markdown]
# ## 4. 数据，与 week5/lora 相同


# %%
def build_example(tokenizer, pair):
    """返回 {"input_ids", "labels"}：两个等长的列表；提示部分的标签为 -100。"""
    raise NotImplementedError("build_example：沿用你在 week5/lora 中写的")


# %% [markdown]
# ## 5. 训练


# %%
def build_trainer(model, tokenizer, train):
    # 与 week5/lora 相同；输出层现在是 float32，bf16=True 可以省时间；
    # 在 CPU 上用它时，Trainer 还要求 use_cpu=True。
    raise NotImplementedError("build_trainer：训练参数、样本、collator、回调")


# %% [markdown]
# ## 6. 合并
#
# 合并到量化之前的底座模型：如果把合并后的权重再次舍入到 16 个档位，
# 学到的东西会丢掉很多。


# %%
def merge(adapter):
    """返回 16 位的底座模型，保存的适配器已加到它的权重上。"""
    raise NotImplementedError("merge：把适配器装到 lab.load_base() 上，再合并")


# %%
@torch.no_grad()
def held_out_loss(model, tokenizer, pairs):
    """返回所有数据对的回答 token 上的平均损失，单位为 nat。"""
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
    _, tokenizer = lab.load_base()
    train, held_out = lab.instructions()
    quantized = load_quantized()
    print(f"{quantized.get_memory_footprint() / 1e6:.0f} MB of weights")
    model = build_model(quantized)
    trainer = build_trainer(model, tokenizer, train[:PAIRS])
    trainer.train(resume_from_checkpoint=lab.last_checkpoint())
    adapter = lab.run_dir() / "adapter"
    model.save_pretrained(adapter)

    metrics = {"held_out_loss": held_out_loss(merge(adapter), tokenizer, held_out[::3])}
    (lab.run_dir() / "metrics.json").write_text(json.dumps(metrics, indent=2))
    print(metrics)


if __name__ == "__main__":
    main()
