# %% [markdown]
# # 从零实现 LoRA
#
# 实现 Hu 等 2021（arXiv 2106.09685）4.1 节中的那一层：
# `h = W0 x + (alpha / r) B A x`，其中 W0 冻结，A 随机初始化，B 为零。
#
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor check week5/lora_from_scratch` 批改。

# %%
import torch
from torch import nn

# %% [markdown]
# ## LoRA 层
#
# 形状：base.weight (out, in)，A (rank, in)，B (out, rank)。基础层存为 `self.base`，
# 两个矩阵存为 `self.A` 和 `self.B`。


# %%
class LoRALinear(nn.Module):
    """冻结的 nn.Linear，加上可训练的低秩更新量。

    dropout：适配器旁路输入上的丢弃概率；基础层一路不用 dropout。
    """

    def __init__(self, base: nn.Linear, rank: int, alpha: float, dropout: float = 0.0):
        super().__init__()
        self.base = base
        raise NotImplementedError("LoRALinear.__init__：冻结基础层，创建 A 和 B")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError("LoRALinear.forward：base(x) 加上缩放后的更新量")

    def merge(self) -> nn.Linear:
        """返回一个新的 nn.Linear，只做一次乘法，结果相同；本层保持不变。"""
        raise NotImplementedError("LoRALinear.merge：以 W0 + (alpha / r) B A 为权重的新层")


# %% [markdown]
# ## 注入模型


# %%
def inject(model: nn.Module, target_names: list[str], rank: int, alpha: float) -> nn.Module:
    """冻结模型；凡是自身名字（路径的最后一段，如 "q_proj"）在 target_names 中的 nn.Linear，
    都换成 LoRALinear。直接修改传入的模型，并返回它。
    """
    raise NotImplementedError("inject：先冻结，再按名字替换各层")


# %% [markdown]
# ## 试一试

# %%
if __name__ == "__main__":
    torch.manual_seed(0)
    layer = LoRALinear(nn.Linear(64, 32), rank=4, alpha=8)
    trainable = sum(p.numel() for p in layer.parameters() if p.requires_grad)
    print(f"{trainable} trainable parameters; the base has {64 * 32 + 32}")
