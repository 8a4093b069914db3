# %% [markdown]
# # 从零预训练一个小 GPT-2
#
# 为一个 30 万参数的语言模型写分词器、数据、模型和训练循环，文本是本课程自己的课文。
# 按每字节的 nat 数评分，用什么分词器都可以比。
#
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor run week3/pretrain_tiny` 运行，用 `tutor check week3/pretrain_tiny` 批改。

# %%
import json
import math  # noqa: F401

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers  # noqa: F401
from transformers import GPT2Config, GPT2LMHeadModel  # noqa: F401

from exercises import lab

SEED = 0
BOS = "<|endoftext|>"  # id 为 0；每一块都以它开头
VOCAB = 512
BLOCK = 64
BATCH = 16
STEPS = 10  # 由你决定，WARMUP 和 PEAK 也是
WARMUP = 2
PEAK = 1e-3

# %% [markdown]
# ## 1. 数据：先切分，再做其他的


# %%
def split(text):
    """返回 (train, held_out)：留出最后十分之一的行（行数向下取整）。"""
    raise NotImplementedError("split：留出最后十分之一的行")


def train_tokenizer(text):
    """返回一个字节级 BPE 分词器，最多 VOCAB 项；BOS 的 id 为 0。

    字母表包含全部 256 个字节，因此任何文本都能从它的 id 原样还原。
    """
    raise NotImplementedError("train_tokenizer：字节级 BPE，BOS 的 id 为 0")


def pack(ids, bos, block):
    """返回 (n, block)：每行是 bos 加上接下来的 block - 1 个 id；剩下的丢掉。"""
    raise NotImplementedError("pack：每行是 bos 加 block - 1 个 id，块与块不重叠")


def prepare(text):
    """返回 (tokenizer, blocks, held_out)：训练用的分词器和块，以及测量用的文本。

    tokenizer 和 blocks (n, BLOCK) 都没见过 held_out 中的任何一行。
    """
    raise NotImplementedError("prepare：先 split，再做分词器和块")


# %% [markdown]
# ## 2. 模型与损失


# %%
def build_model(vocab_size):
    """返回一个新的 GPT-2，10 万到 150 万参数，每次调用都相同。"""
    raise NotImplementedError("build_model：设定种子，再用 GPT2Config 建 GPT2LMHeadModel")


def block_loss(model, blocks):
    """返回所有行的平均损失（每行 block - 1 次预测）：一个标量张量。"""
    raise NotImplementedError("block_loss：每个 id 预测下一个")


# %% [markdown]
# ## 3. 训练


# %%
def learning_rate(step, steps, warmup, peak):
    """返回第 step 步（0, 1, …, steps - 1）的学习率：预热期间从 0 线性升到 peak，
    再按半个余弦下降，到 `steps` 时为 0。"""
    raise NotImplementedError("learning_rate：先预热，再余弦")


def train(model, blocks, steps):
    """就地训练，每步从 blocks 中随机取 BATCH 行。"""
    raise NotImplementedError("train：批次、学习率、损失、backward、裁剪、step、lab.report")


# %% [markdown]
# ## 4. 它学到了什么


# %%
@torch.no_grad()
def nats_per_byte(model, tokenizer, text):
    """返回文本全部 token 的总损失除以它的 UTF-8 字节数。

    窗口与训练时一样：bos 加上至多 BLOCK - 1 个 token，最后一个窗口可以短一些。
    每个 token 只预测一次。
    """
    raise NotImplementedError("nats_per_byte：总损失除以字节数")


# %%
def main():
    text = lab.lessons("en")
    tokenizer, blocks, held_out = prepare(text)
    model = build_model(tokenizer.get_vocab_size())
    print(f"{len(blocks)} blocks, {model.num_parameters():,} parameters")
    train(model, blocks, STEPS)

    model.save_pretrained(lab.run_dir() / "model")
    tokenizer.save(str(lab.run_dir() / "tokenizer.json"))
    metrics = {
        "train": nats_per_byte(model, tokenizer, text[: len(held_out)]),
        "held_out": nats_per_byte(model, tokenizer, held_out),
    }
    (lab.run_dir() / "metrics.json").write_text(json.dumps(metrics))
    print(metrics)
    prompt = torch.tensor([tokenizer.encode(f"{BOS}The model").ids])
    story = model.generate(prompt, max_new_tokens=40, do_sample=True, temperature=0.7, top_k=40)
    print(tokenizer.decode(story[0].tolist()))


if __name__ == "__main__":
    main()
