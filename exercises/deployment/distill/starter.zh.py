# %% [markdown]
# # 知识蒸馏
#
# Hinton、Vinyals、Dean 2015，“Distilling the Knowledge in a Neural Network”
# （arXiv 1503.02531）：小的学生学习教师用温度软化过的整个分布。
#
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor check deployment/distill` 批改。

# %%
import torch
from sklearn.datasets import load_digits
from torch import nn

IGNORED = -100  # 图像的标签未知时，用它作标签
BATCH = 32

# %% [markdown]
# ## 已给出：数据、教师、学生
#
# 训练用 1,200 张 8 × 8 像素的图像。教师当初见过它们的全部标签；留给学生的只有前 50 个。


# %%
def load_data(known=50, seed=0):
    """返回 (images, labels, student_labels, held_out_images, held_out_labels)。

    images：(1200, 64)，取值 0 到 1。student_labels：前 `known` 个同 labels，其后都是 IGNORED。
    """
    digits = load_digits()
    order = torch.randperm(len(digits.data), generator=torch.Generator().manual_seed(seed))
    images = torch.tensor(digits.data / 16, dtype=torch.float32)[order]
    labels = torch.tensor(digits.target)[order]
    student_labels = labels[:1200].clone()
    student_labels[known:] = IGNORED
    return images[:1200], labels[:1200], student_labels, images[1200:], labels[1200:]


def build_teacher(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(64, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 10)
    )


def build_student(seed=0):
    """学生有 2,410 个参数；教师有 9,866 个。"""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


@torch.no_grad()
def accuracy(model, images, labels):
    return (model.eval()(images).argmax(dim=-1) == labels).float().mean().item()


# %% [markdown]
# ## 教师的 logits


# %%
def teacher_logits(teacher, images):
    """返回教师的 logits (n, 类别数)，不经过 dropout，不带计算图。

    教师的任何东西都不能变，包括滑动统计量。
    """
    raise NotImplementedError("teacher_logits：评估模式，不算梯度")


# %% [markdown]
# ## 损失


# %%
def distillation_loss(student_logits, teacher_logits, labels, temperature, alpha):
    """返回标量 alpha × T² × KL(教师 || 学生) + (1 - alpha) × 交叉熵。

    student_logits、teacher_logits：(批次大小, 类别数)。KL：温度为 T，对类别求和，对批次取平均。
    交叉熵：温度为 1，对标签已知的行取平均；一行都没有时为 0。梯度不传给教师。
    """
    raise NotImplementedError("distillation_loss：软目标项乘以 T²，以及标签项")


# %% [markdown]
# ## 训练
#
# 每一步取 BATCH 张标签已知的图像，再从全部图像中取 BATCH 张，合成 64 张的一个批次。
# alpha = 0 时只有标签起作用：基线就是同一个函数，用同样的批次。


# %%
def train_student(student, images, labels, soft_targets, alpha, temperature=4.0, steps=300, seed=0):
    """就地训练学生，并返回它。

    labels：(n,)，未知处为 IGNORED。soft_targets：(n, 类别数)，教师的 logits。
    批次只取决于 `seed`。
    """
    raise NotImplementedError("train_student：由种子决定的批次、损失、优化器更新")


# %% [markdown]
# ## 试一试

# %%
if __name__ == "__main__":
    images, labels, student_labels, held_out, held_out_labels = load_data()
    zeros = torch.zeros(len(images), 10)
    teacher = train_student(build_teacher(), images, labels, zeros, alpha=0.0)
    print(f"teacher, 1,200 labels: {accuracy(teacher, held_out, held_out_labels):.3f}")
    targets = teacher_logits(teacher, images)
    for alpha in (0.0, 0.5, 0.9, 1.0):
        for temperature in (1.0, 4.0, 20.0):
            student = train_student(
                build_student(), images, student_labels, targets, alpha, temperature
            )
            right = accuracy(student, held_out, held_out_labels)
            print(f"student, 50 labels, alpha {alpha}, T {temperature:>4}: {right:.3f}")
