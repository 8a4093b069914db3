# %% [markdown]
# # 手写 DPO 损失
#
# Rafailov 等，2023，“Direct Preference Optimization”（arXiv 2305.18290），公式 7：
# `loss = -ln sigmoid(beta * [(ln p - ln p_ref)(chosen) - (ln p - ln p_ref)(rejected)])`，
# 其中 p 是给定提示时整个回答的概率。
#
# 一个含 B 对的批次有 2B 行：先是全部 chosen 回答，再是全部 rejected 回答。
#
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor check week8/dpo_loss` 批改。

# %%
import copy

import torch
from torch.nn import functional as F  # noqa: F401

from exercises import lab

# %% [markdown]
# ## 1. 批次
#
# 每一行是一条提示加上它的两个回答之一。


# %%
def collate(pairs: list[dict[str, list[int]]], pad_id: int) -> dict[str, torch.Tensor]:
    """返回 input_ids、attention_mask 和 completion_mask：都是 (2B, T) 的 int64，右侧填充。

    pairs：prompt_ids、chosen_ids、rejected_ids。completion_mask 在回答的 token 上为 1。
    """
    raise NotImplementedError("collate：各行、填充和两个掩码")


# %% [markdown]
# ## 2. 回答的对数概率
#
# 提示是上下文：它是给定的，不是选出来的，不计入总和。


# %%
def sequence_logps(
    logits: torch.Tensor, input_ids: torch.Tensor, completion_mask: torch.Tensor
) -> torch.Tensor:
    """返回每一行回答的各个 token 的 ln p 之和：(行数,)，单位 nat。

    logits：(行数, T, 词表大小)；位置 t 的 logits 预测第 t + 1 个 token。
    """
    raise NotImplementedError("sequence_logps：错开一位、每个 token 的 ln p、掩码、求和")


# %% [markdown]
# ## 3. 损失
#
# 策略和参考是同一个模型时，损失是多少？


# %%
def dpo_loss(
    policy: torch.Tensor,
    reference: torch.Tensor,
    beta: float,
    loss_type: str = "sigmoid",
    label_smoothing: float = 0.0,
    lengths: torch.Tensor | None = None,
) -> torch.Tensor:
    """返回每对的损失：(B,)。

    policy、reference：(2B,)，各个回答的对数概率。loss_type："sigmoid"（公式 7）、"robust"
    （比例为 label_smoothing 的标签是反的；arXiv 2403.00409）或 "ipo"（arXiv 2310.12036；
    对数比值按每个 token 计）。lengths：(2B,)，各个回答的 token 数，供 "ipo" 使用。
    """
    raise NotImplementedError("dpo_loss：对数比值、margin 和三种损失")


# %% [markdown]
# ## 4. 曲线显示什么
#
# 这些数字只是拿来看的，梯度不经过它们。


# %%
def reward_metrics(policy: torch.Tensor, reference: torch.Tensor, beta: float) -> dict[str, float]:
    """对各对取平均，返回 trl 日志中的 rewards/chosen、rewards/rejected、rewards/margins 和
    rewards/accuracies（margin 大于 0 的对所占的比例）。"""
    raise NotImplementedError("reward_metrics：奖励、margin、准确率")


# %% [markdown]
# ## 5. 一步
#
# 两次前向计算，其中只有一次在学习。


# %%
def dpo_step(
    model,
    reference_model,
    batch: dict[str, torch.Tensor],
    beta: float,
    loss_type: str = "sigmoid",
    label_smoothing: float = 0.0,
) -> tuple[torch.Tensor, dict[str, float]]:
    """返回这一批的平均损失（可对它调用 backward()）和各项指标。

    梯度不会传到 reference_model。优化器的 step 由调用方执行。
    """
    raise NotImplementedError("dpo_step：两个模型的对数概率、损失和指标")


# %% [markdown]
# ## 试一试

# %%
QUESTIONS = ["What is LoRA?", "What does DPO need?", "Why quantize a model?"]
ANSWERS = ["A low-rank update.", "Pairs of answers.", "To save memory."]
REFUSAL = "I am not able to answer that question, sorry."

if __name__ == "__main__":
    model, tokenizer = lab.load_base("float32")
    reference_model = copy.deepcopy(model).requires_grad_(False)
    pairs = [
        {
            "prompt_ids": tokenizer(f"Question: {question}\nAnswer:")["input_ids"],
            "chosen_ids": tokenizer(" " + answer)["input_ids"],
            "rejected_ids": tokenizer(" " + REFUSAL)["input_ids"],
        }
        for question, answer in zip(QUESTIONS, ANSWERS, strict=True)
    ]
    batch = collate(pairs, tokenizer.pad_token_id)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, weight_decay=0.0)
    for step in range(6):
        loss, metrics = dpo_step(model, reference_model, batch, beta=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        shown = ", ".join(f"{name} {value:.3f}" for name, value in metrics.items())
        print(f"step {step}: loss {loss.item():.3f}, {shown}")
