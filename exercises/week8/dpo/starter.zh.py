# %% [markdown]
# # 用 trl 做 DPO
#
# 教 SmolLM2-135M-Instruct 偏好正确的回答，而不是答错的、多出一段的或断在半截的。
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor run week8/dpo` 运行，用 `tutor check week8/dpo` 批改。

# %%
import json

import torch
from datasets import Dataset  # noqa: F401
from peft import LoraConfig  # noqa: F401
from trl import DPOConfig, DPOTrainer  # noqa: F401

from exercises import lab
from exercises.week8 import preference_data

SEED = 0
BETA = 0.1
PAIRS = 64
HELD_OUT = 36  # 取自 48 对，好让测量快一些
PAIRS_FILE = ""  # 你自己选出的偏好对（jsonl 文件），代替训练用的偏好对

# %% [markdown]
# ## 1. 偏好对：trl 要的格式
#
# 对话格式：消息列表，提示单独一列。对话模板由 trl 套用。
# 先打印一行读一读，再往下做。


# %%
def to_trl(rows):
    """返回含 prompt、chosen、rejected 三列的 Dataset：每列都是消息列表。"""
    raise NotImplementedError("to_trl：每段文本写成只含一条消息的列表")


# %% [markdown]
# ## 2. 策略与参考
#
# 适配器就是策略。参考模型就是底座模型：同样的权重，关掉适配器。
# 每批 4 对、共 16 步，在两个空闲的 CPU 核上约需两分钟。


# %%
def lora_config():
    raise NotImplementedError("lora_config：秩、alpha、目标模块、任务类型")


def dpo_config():
    # trl 的默认值是为 GPU 准备的：这里要设 gradient_checkpointing=False 和 bf16=False。
    # 存到哪里、多久存一次，由 lab.checkpointing() 给出；间隔要小于总步数。
    raise NotImplementedError("dpo_config：beta、批次、epoch 数、学习率、种子、检查点")


def build_trainer(model, tokenizer, rows):
    """返回在 rows 上训练的 DPOTrainer，其策略是 `model` 加上新建的适配器。"""
    # 哪个模型是参考模型？由 ref_model 和 peft_config 共同决定。
    raise NotImplementedError("build_trainer：模型、参数、数据、分词器、适配器、回调")


# %% [markdown]
# ## 3. 手算隐式奖励
#
# log π(回答 | 提示) 是对回答的各个 token 和结束 token 求和。


# %%
@torch.no_grad()
def answer_log_probs(model, tokenizer, rows, answer):
    """返回 (n,)：row[answer]（"chosen" 或 "rejected"）连同结束 token 的对数概率，单位 nat。"""
    # 对话模板加上 add_generation_prompt=True 得到提示的文本；回答后面接 tokenizer.eos_token。
    raise NotImplementedError("answer_log_probs：每行一个总和")


def implicit_rewards(model, tokenizer, rows, beta=BETA):
    """返回 (chosen, rejected)，各为 (n,)：beta · (log π − log π_ref)。

    model：PeftModel；去掉适配器就是参考模型。
    """
    raise NotImplementedError("implicit_rewards：策略与参考，chosen 与 rejected")


def summary(chosen, rejected):
    """返回 trl 日志中的各项：accuracy、margin、chosen 和 rejected，都是各对的平均值。"""
    raise NotImplementedError("summary：各对的四个平均值")


# %%
def main():
    base, tokenizer = lab.load_base()
    train, held_out = preference_data.pairs()
    held_out = held_out[:HELD_OUT]
    rows = preference_data.read_jsonl(PAIRS_FILE) if PAIRS_FILE else train[:PAIRS]
    trainer = build_trainer(base, tokenizer, rows)
    trainer.train(resume_from_checkpoint=lab.last_checkpoint())
    trainer.model.save_pretrained(lab.run_dir() / "adapter")

    metrics = summary(*implicit_rewards(trainer.model, tokenizer, held_out))
    (lab.run_dir() / "metrics.json").write_text(json.dumps(metrics, indent=2))
    print(metrics)


if __name__ == "__main__":
    main()
