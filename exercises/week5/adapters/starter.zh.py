# %% [markdown]
# # 三种微调方法的比较
#
# 全参数微调、LoRA 和瓶颈适配器（Houlsby 等 2019，arXiv 1902.00751），用同样的数据、
# 同样的顺序：各自训练哪些参数，内存里要留下什么，学到了多少。
#
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor run week5/adapters` 运行，用 `tutor check week5/adapters` 批改。

# %%
import json

import torch
from peft import LoraConfig, get_peft_model  # noqa: F401
from PIL import Image, ImageDraw  # noqa: F401
from safetensors.torch import save_file
from torch import nn
from transformers import DataCollatorForSeq2Seq

from exercises import lab

SEED = 0
METHODS = ("full", "lora", "bottleneck")
STEPS, BATCH = 10, 2
WIDTH = 32  # 瓶颈的宽度：参数量与秩 8 的 LoRA 大致相当
IGNORED = -100
BAR = "#1f77b4"

# %% [markdown]
# ## 1. 瓶颈模块
#
# Llama 的每一层向主流相加两次：一次是注意力的输出，一次是 MLP 的输出。
# 两者后面各接一个适配器，处理的是即将加到主流上的东西。


# %%
class Bottleneck(nn.Module):
    """x + up(gelu(down(x)))：features -> width -> features，两个线性层都带偏置。up 初始为零，
    使模块初始为恒等。"""

    def __init__(self, features: int, width: int):
        super().__init__()
        raise NotImplementedError("Bottleneck：down、up，以及在正确的位置置零")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError("Bottleneck.forward：旁路与残差")


def insert_bottlenecks(model: nn.Module, width: int) -> nn.Module:
    """冻结一个 Llama，在每层放入两个 Bottleneck：一个接在注意力的输出投影之后，
    一个接在 MLP 之后，都在残差相加之前。返回该模型。"""
    raise NotImplementedError("insert_bottlenecks：先冻结，再每层插入两个")


# %% [markdown]
# ## 2. 三个模型
#
# 一种方法的参数越少、初始值越接近零，步长就要越大。


# %%
LEARNING_RATES = {}  # METHODS 中每种方法对应一个数


def build(method: str, base: nn.Module) -> nn.Module:
    """返回底座，已按 METHODS 中的一种方法做好训练准备，每次调用结果相同。"""
    raise NotImplementedError("build：种子，以及每种方法的模型")


# %% [markdown]
# ## 3. 训练，以及它在内存里留下什么
#
# 根据一步之后实际存在的张量来测量，而不是套公式计算。


# %%
def train(model: nn.Module, batches: list, learning_rate: float) -> torch.optim.Optimizer:
    """对可训练的参数用 AdamW，每个批次走一步。返回优化器。

    每步之后调用 lab.report(步数, 总步数, 损失)。最后一步的梯度留在参数上，供测量用。
    """
    raise NotImplementedError("train：对可训练的参数用 AdamW，每个批次一步")


def costs(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, float]:
    """返回一步之后实际存在的量：trainable（参数个数）、gradients_mb 和 optimizer_mb
    （优化器状态），单位 MB，1 MB 为 10^6 字节。"""
    raise NotImplementedError("costs：数参数个数，累加字节数")


# %% [markdown]
# ## 4. 柱状图


# %%
def plot(rows: list[dict], metric: str, path) -> None:
    """按顺序为每行画一根颜色为 BAR 的竖直柱子，存成 PNG。

    柱子互不相连，从 0 开始，高度与 row[metric] 成正比。
    """
    raise NotImplementedError("plot：一幅图，每行一根柱子")


# %% [markdown]
# ## 5. 三种方法用同样的数据
#
# 已经给出，这里不用动。


# %%
def build_example(tokenizer, pair):
    user = {"role": "user", "content": pair["prompt"]}
    prompt = tokenizer.apply_chat_template([user], tokenize=False, add_generation_prompt=True)
    response = pair["response"] + tokenizer.eos_token
    prompt_ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    response_ids = tokenizer(response, add_special_tokens=False)["input_ids"]
    return {
        "input_ids": prompt_ids + response_ids,
        "labels": [IGNORED] * len(prompt_ids) + response_ids,
    }


def make_batches(tokenizer, pairs):
    collate = DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=IGNORED)
    examples = [build_example(tokenizer, pair) for pair in pairs]
    return [collate(examples[i : i + BATCH]) for i in range(0, len(examples), BATCH)]


@torch.no_grad()
def held_out_loss(model, batches):
    """全部回答 token 合在一起的平均损失，单位为 nat。"""
    model.eval()
    total, tokens = 0.0, 0
    for batch in batches:
        count = int((batch["labels"][:, 1:] != IGNORED).sum())
        total += model(**batch).loss.item() * count
        tokens += count
    return total / tokens


def save_trained(model, path):
    """只保存训练过的参数，16 位。"""
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    save_file({n: p.detach().bfloat16().contiguous() for n, p in trained.items()}, path)


# %% [markdown]
# ## 6. 比较


# %%
def main():
    pairs, held_out = lab.instructions()
    short = [pair for pair in pairs if len(pair["response"]) < 120]
    rows, base_loss = [], None
    for method in METHODS:
        base, tokenizer = lab.load_base("float32")
        held_out_batches = make_batches(tokenizer, held_out[::12])
        model = build(method, base)  # 训练之前，输出与底座相同
        base_loss = base_loss or held_out_loss(model, held_out_batches)
        batches = make_batches(tokenizer, short[: STEPS * BATCH])
        optimizer = train(model, batches, LEARNING_RATES[method])
        row = {"method": method, **costs(model, optimizer)}
        row["held_out_loss"] = held_out_loss(model, held_out_batches)
        save_trained(model, lab.run_dir() / f"{method}.safetensors")
        rows.append(row)
        print(row)
        del base, model, optimizer  # 先释放，再加载下一个
    metrics = {"base_held_out_loss": base_loss, "rows": rows}
    (lab.run_dir() / "metrics.json").write_text(json.dumps(metrics, indent=2))
    for metric in ("optimizer_mb", "held_out_loss"):
        plot(rows, metric, lab.run_dir() / f"{metric}.png")


if __name__ == "__main__":
    main()
