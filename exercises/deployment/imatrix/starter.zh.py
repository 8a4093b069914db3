# %% [markdown]
# # 手写重要性矩阵
#
# 一个权重有多重要，要看与它相乘的数有多大。llama.cpp 的重要性矩阵就是每个输入通道
# 在一段文本上的均方；这里用钩子收集它，再据此为每块选系数，使真正起作用的误差变小。
#
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor check deployment/imatrix` 批改。

# %%
from dataclasses import dataclass

import torch

from exercises import lab

BLOCK = 32

# %% [markdown]
# ## 统计量


# %%
def collect(model, batches, names):
    """返回 {name: (in,) float32}：`names`（named_modules 中的路径）所指各 nn.Linear 层
    每个输入通道的均方，对所有批次的全部 token 计算。

    batches：{"input_ids", "attention_mask"}，形状都是 (batch, length)；掩码为 0 处是填充，
    不计入。结束后钩子都已移除，模型抛异常时也一样。
    """
    raise NotImplementedError("collect：钩子、累加、对 token 取平均")


# %% [markdown]
# ## 取整：普通与加权
#
# 编码 -8 到 7，沿着行每 32 个权重一块，每块一个系数：权重 = 系数 × 编码。


# %%
@dataclass(frozen=True)
class Quantized:
    """scales：(行, 列 / 32) float32。codes：(行, 列) int8，-8 到 7。"""

    scales: torch.Tensor
    codes: torch.Tensor


def dequantize(quantized):
    """返回权重，(行, 列) float32。"""
    raise NotImplementedError("dequantize：系数乘以编码")


def plain(weight):
    """取最近的编码：系数 = 块中绝对值最大的数（带符号）/ -8。全零的块，编码为 0。"""
    raise NotImplementedError("plain：带符号的最大值、最近的编码")


def weighted(weight, importance):
    """为每块选一个系数，使 sum(重要性 × (权重 - 系数 × 编码)²) 较小：绝不大于 `plain` 的。

    importance：(列,)，非负；即 `collect` 得到的均方。试的是普通系数的 0.7 到 1.2 倍，
    并为各自得到的编码取最合适的系数
    sum(i w c) / sum(i c²)：i 是重要性，w 是权重，c 是编码。
    """
    raise NotImplementedError("weighted：试若干系数，重新求系数，保留较好的")


# %% [markdown]
# ## 效果如何


# %%
def output_error(weight, approximation, inputs):
    """返回该层输出的偏移程度：x (W - W')ᵀ 的平方和，除以 x Wᵀ 的平方和。
    inputs：(token 数, 列)。"""
    raise NotImplementedError("output_error：输出偏移的平方和，除以输出的平方和")


# %% [markdown]
# ## 试一试
#
# 135M 的两层：各通道的大小相差多少？知道这一点又有多大用处？


# %%
@torch.no_grad()
def inputs_of(model, batch, name):
    kept = []
    layer = model.get_submodule(name)
    handle = layer.register_forward_pre_hook(lambda _, given: kept.append(given[0]))
    model(**batch)
    handle.remove()
    return kept[0][batch["attention_mask"].bool()]


if __name__ == "__main__":
    model, tokenizer = lab.load_base("float32")
    lines = [line[:300] for line in lab.lessons().splitlines() if len(line) > 300]
    seen = [tokenizer(lines[n : n + 4], return_tensors="pt", padding=True) for n in (0, 4)]
    unseen = tokenizer(lines[40:42], return_tensors="pt", padding=True)
    names = ["model.layers.5.mlp.down_proj", "model.layers.20.self_attn.o_proj"]
    for name, importance in collect(model, seen, names).items():
        weight = model.get_submodule(name).weight.detach()
        x = inputs_of(model, unseen, name)
        choices = {
            "plain": plain(weight),
            "searched, all channels alike": weighted(weight, torch.ones_like(importance)),
            "searched by importance": weighted(weight, importance),
        }
        print(f"{name}: largest / median channel {importance.max() / importance.median():.0f}")
        for what, quantized in choices.items():
            print(f"  {what:30}{output_error(weight, dequantize(quantized), x):.5f}")
