# %% [markdown]
# # Alpaca 格式的 SFT
#
# 用 SFTTrainer 和 LoRA 微调 SmolLM2-135M-Instruct，只在回答上计算损失；再做小型的 LIMA 实验：
# 20 行干净数据，还是 40 行但一半被弄脏？
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor run week8/sft` 运行，用 `tutor check week8/sft` 批改。

# %%
import json
import random  # noqa: F401

import torch
from datasets import Dataset  # noqa: F401
from peft import LoraConfig, PeftModel  # noqa: F401
from trl import SFTConfig, SFTTrainer  # noqa: F401

from exercises import lab
from exercises.week8 import alpaca_data

SEED = 0
CLEAN, NOISY = 20, 40  # 行数
NOISE = 0.5  # 脏数据中被弄脏的行所占的比例
STEPS = 10  # 优化器步数，两组相同：干净数据 2 个 epoch，脏数据 1 个
HELD_OUT = 24  # 用来测量的行数；评分程序也取这些行

# %% [markdown]
# ## 1. 格式
#
# Alpaca 的两种模板：带 input 和不带 input
# （github.com/tatsu-lab/stanford_alpaca，“Data Release”）。
# 各个标题沿用 Alpaca，开头的话是我们写的。不论写成什么，模型以后都只认这段原文。

# %%
WITH_INPUT = (
    "A task, and what it is about. The response does the task and nothing else.\n\n"
    "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n"
)
WITHOUT_INPUT = (
    "A task. The response does the task and nothing else.\n\n"
    "### Instruction:\n{instruction}\n\n### Response:\n"
)


def format_row(row):
    """由一行 {"instruction", "input", "output"} 返回 {"prompt", "completion"}。"""
    raise NotImplementedError("format_row：填好合适的模板，配上 output")


# %% [markdown]
# ## 2. 噪声
#
# 抓取来的数据里确实会有的两种毛病：回答属于另一个问题，或者回答被截断。


# %%
def make_noisy(rows, share, seed):
    """返回新的数据，其中 round(share * len(rows)) 行的 output 被弄脏。

    抽哪些行，由 random.Random(seed) 决定。抽中的行里，一半（向下取整）的 output 只保留
    前一半的词；其余的把 output 传着换一圈，谁也不能留着自己的。
    """
    raise NotImplementedError("make_noisy：抽取、截断、轮换")


def datasets():
    """按名称返回两组训练数据。"""
    train, _ = alpaca_data.rows()
    return {"clean": train[:CLEAN], "noisy": make_noisy(train[:NOISY], NOISE, SEED)}


# %% [markdown]
# ## 3. 训练
#
# 有 prompt 和 completion 两列时，trl 会把提示上的标签设为 -100，并在回答后面补上结束 token。


# %%
def build_trainer(model, tokenizer, rows, name):
    """返回在 rows 上训练的 SFTTrainer：`model` 加上新建的适配器，共 STEPS 步。

    name："clean" 或 "noisy"；检查点放在 lab.run_dir() / "checkpoints" / name。
    """
    # 与保存有关的参数由 lab.checkpointing(every=..., name=name) 给出。trl 的默认值是为 GPU
    # 准备的：这里要设 gradient_checkpointing=False 和 bf16=False。
    raise NotImplementedError("build_trainer：SFTConfig、LoraConfig 和 SFTTrainer")


# %% [markdown]
# ## 4. 学到了什么
#
# 留出数据的回答部分，每个 token 的 nat 数：结束 token 算在内，提示不算。


# %%
@torch.no_grad()
def held_out_loss(model, tokenizer, rows):
    """返回所有行的全部回答 token 合在一起的平均值。"""
    raise NotImplementedError("held_out_loss：每个回答 token 的 nat 数")


# %%
def main():
    _, held_out = alpaca_data.rows()
    held_out = held_out[:HELD_OUT]
    metrics = {}
    for name, rows in datasets().items():
        base, tokenizer = lab.load_base()
        folder = lab.run_dir() / name
        if not (folder / "adapter_model.safetensors").exists():  # 中断之前没有训练过
            trainer = build_trainer(base, tokenizer, rows, name)
            trainer.train(resume_from_checkpoint=lab.last_checkpoint(name))
            trainer.model.save_pretrained(folder)
            base, _ = lab.load_base()
        if "base" not in metrics:
            metrics["base"] = held_out_loss(base, tokenizer, held_out)
        metrics[name] = held_out_loss(PeftModel.from_pretrained(base, folder), tokenizer, held_out)
    metrics["better"] = "clean" if metrics["clean"] < metrics["noisy"] else "noisy"
    (lab.run_dir() / "metrics.json").write_text(json.dumps(metrics, indent=2))
    print(metrics)


if __name__ == "__main__":
    main()
